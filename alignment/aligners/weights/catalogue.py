"""Models that WhisperX loads for a name or a language.

The library's own tables are repeated here because importing it takes 13 s; a test compares the two.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

PUNKT_DEFAULT: Final = "english"
LANGUAGES_WITHOUT_SPACES: Final = frozenset({"ja", "zh"})
WHISPER_FILES: Final = ("config.json", "preprocessor_config.json", "model.bin", "tokenizer.json", "vocabulary.*")
ALIGN_FILES: Final = (
    "config.json",
    "preprocessor_config.json",
    "vocab.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
    "model.safetensors",
    "pytorch_model.bin",
)
DIARIZE_FILES: Final = ("config.yaml", "*/pytorch_model.bin", "*/*.npz")

# Models by faster-whisper's names.
WHISPER_REPOSITORIES: Final = {
    **{
        name: f"Systran/faster-whisper-{name}"
        for size in ("tiny", "base", "small", "medium")
        for name in (size, f"{size}.en")
    },
    **{f"large-v{version}": f"Systran/faster-whisper-large-v{version}" for version in (1, 2, 3)},
    "large": "Systran/faster-whisper-large-v3",
    "turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}


@dataclass(frozen=True, slots=True)
class TorchCheckpoint:
    """Alignment model that torchaudio downloads: name of its pipeline, and its only file."""

    pipeline: str
    file: str


# Alignment models of torchaudio.
TORCH_ALIGN_MODELS: Final = {
    "en": TorchCheckpoint("WAV2VEC2_ASR_BASE_960H", "wav2vec2_fairseq_base_ls960_asr_ls960.pth"),
    "fr": TorchCheckpoint("VOXPOPULI_ASR_BASE_10K_FR", "wav2vec2_voxpopuli_base_10k_asr_fr.pt"),
    "de": TorchCheckpoint("VOXPOPULI_ASR_BASE_10K_DE", "wav2vec2_voxpopuli_base_10k_asr_de.pt"),
    "es": TorchCheckpoint("VOXPOPULI_ASR_BASE_10K_ES", "wav2vec2_voxpopuli_base_10k_asr_es.pt"),
    "it": TorchCheckpoint("VOXPOPULI_ASR_BASE_10K_IT", "wav2vec2_voxpopuli_base_10k_asr_it.pt"),
}

# Alignment models of the Hugging Face hub.
HUB_ALIGN_MODELS: Final = {
    "ja": "jonatasgrosman/wav2vec2-large-xlsr-53-japanese",
    "zh": "jonatasgrosman/wav2vec2-large-xlsr-53-chinese-zh-cn",
    "nl": "jonatasgrosman/wav2vec2-large-xlsr-53-dutch",
    "uk": "Yehor/wav2vec2-xls-r-300m-uk-with-small-lm",
    "pt": "jonatasgrosman/wav2vec2-large-xlsr-53-portuguese",
    "ar": "jonatasgrosman/wav2vec2-large-xlsr-53-arabic",
    "cs": "comodoro/wav2vec2-xls-r-300m-cs-250",
    "ru": "jonatasgrosman/wav2vec2-large-xlsr-53-russian",
    "pl": "jonatasgrosman/wav2vec2-large-xlsr-53-polish",
    "hu": "jonatasgrosman/wav2vec2-large-xlsr-53-hungarian",
    "fi": "jonatasgrosman/wav2vec2-large-xlsr-53-finnish",
    "fa": "jonatasgrosman/wav2vec2-large-xlsr-53-persian",
    "el": "jonatasgrosman/wav2vec2-large-xlsr-53-greek",
    "tr": "mpoyraz/wav2vec2-xls-r-300m-cv7-turkish",
    "da": "saattrupdan/wav2vec2-xls-r-300m-ftspeech",
    "he": "imvladikon/wav2vec2-xls-r-300m-hebrew",
    "vi": "nguyenvulebinh/wav2vec2-base-vi-vlsp2020",
    "ko": "kresnik/wav2vec2-large-xlsr-korean",
    "ur": "kingabzpro/wav2vec2-large-xls-r-300m-Urdu",
    "te": "anuragshas/wav2vec2-large-xlsr-53-telugu",
    "hi": "theainerd/Wav2Vec2-large-xlsr-hindi",
    "ca": "softcatala/wav2vec2-large-xlsr-catala",
    "ml": "gvs/wav2vec2-large-xlsr-malayalam",
    "no": "NbAiLab/nb-wav2vec2-1b-bokmaal-v2",
    "nn": "NbAiLab/nb-wav2vec2-1b-nynorsk",
    "sk": "comodoro/wav2vec2-xls-r-300m-sk-cv8",
    "sl": "anton-l/wav2vec2-large-xlsr-53-slovenian",
    "hr": "classla/wav2vec2-xls-r-parlaspeech-hr",
    "ro": "gigant/romanian-wav2vec2",
    "eu": "stefan-it/wav2vec2-large-xlsr-53-basque",
    "gl": "ifrz/wav2vec2-large-xlsr-galician",
    "ka": "xsway/wav2vec2-large-xlsr-georgian",
    "lv": "jimregan/wav2vec2-large-xlsr-latvian-cv",
    "tl": "Khalsuu/filipino-wav2vec2-l-xls-r-300m-official",
    "sv": "KBLab/wav2vec2-large-voxrex-swedish",
    "id": "cahya/wav2vec2-large-xlsr-indonesian",
}

# Folders of punkt_tab; other languages use the English one.
PUNKT_LANGUAGES: Final = {
    "cs": "czech",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english",
    "es": "spanish",
    "et": "estonian",
    "fi": "finnish",
    "fr": "french",
    "it": "italian",
    "nl": "dutch",
    "no": "norwegian",
    "pl": "polish",
    "pt": "portuguese",
    "sl": "slovene",
    "sv": "swedish",
    "tr": "turkish",
    "ml": "malayalam",
    "ru": "russian",
}


def punkt_folder(language: str) -> Path:
    """Folder of a language's sentence ends, relative to NLTK's data folder."""
    return Path("tokenizers", "punkt_tab", PUNKT_LANGUAGES.get(language, PUNKT_DEFAULT))


def has_align_model(language: str) -> bool:
    """Whether WhisperX names an alignment model for the language."""
    return language in TORCH_ALIGN_MODELS or language in HUB_ALIGN_MODELS
