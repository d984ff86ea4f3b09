"""The network and the aligner of the settings."""

from typing import Final

from alignment.aligners.protocol import Aligner
from alignment.aligners.selection import choose_aligner
from alignment.errors import EncoderUnavailableError
from alignment.pipeline import choose_encoder
from model.bundle import Bundle, locate_bundle, read_bundle
from model.runtime import EmotionClassifier
from service.settings import Settings

FALLBACK_BUNDLE: Final = "starter-mfcc"


def load_classifier(settings: Settings) -> tuple[EmotionClassifier, str]:
    """The network of the settings, and why it is not the default one; empty where it was chosen.

    Raises:
        BundleError, ProviderError: It cannot be served.
    """
    bundle, reason = choose_bundle(settings)
    return EmotionClassifier(bundle, settings.provider, settings.threads), reason


def choose_bundle(settings: Settings) -> tuple[Bundle, str]:
    """Bundle of the settings, or, where it is only the default and its encoder is not installed, one without encoder.

    Returns:
        The bundle, and why it is not the default one; empty otherwise.

    Raises:
        BundleError: The bundle cannot be read.
    """
    bundle = read_bundle(locate_bundle(settings.bundle_names[0]))
    if settings.names_bundles:
        return bundle, ""
    try:
        choose_encoder(bundle.config.features)
    except EncoderUnavailableError as exc:
        fallback = read_bundle(locate_bundle(FALLBACK_BUNDLE))
        return fallback, f"the weights {FALLBACK_BUNDLE} replace {settings.bundle}, because {exc.reason}"
    return bundle, ""


def load_others(settings: Settings) -> list[EmotionClassifier]:
    """The networks of the settings after the first one.

    Raises:
        BundleError, ProviderError: One of them cannot be served.
    """
    bundles = [read_bundle(locate_bundle(name)) for name in settings.bundle_names[1:]]
    return [EmotionClassifier(bundle, settings.provider, settings.threads) for bundle in bundles]


def load_aligner(settings: Settings) -> Aligner:
    """The aligner of the settings; none of its models is loaded yet.

    Raises:
        AlignerUnavailableError: It cannot run.
    """
    return choose_aligner(settings.aligner, settings.whisperx.config(), settings.embedded_config(), settings.deadline_s)
