#!/usr/bin/env bash
# Builds the images from a clean clone and tests the behaviour that docs/operations.md documents, on the engine of
# DOCKER_HOST, with the models of forty words instead of downloaded ones: `make docker-test`.
# GPU=0 skips the gpu image, CPU=0 all others than slim; TRAIN=1 adds the train image. Needs docker with compose and buildx,
# git, curl, python3.
set -euo pipefail
cd "$(dirname "$0")/.."
project=can-ser-test-$$
clone=$(mktemp -d)
log=$(mktemp)
published=127.0.0.1:${PORT:-18000}
slim=127.0.0.1:${SLIM_PORT:-18002}
export COMPOSE_PROJECT_NAME=$project PUBLISH=$published PUBLISH_SLIM=$slim

say() { printf '\n== %s (%s s)\n' "$*" "$SECONDS"; }
fail() { printf 'FAILED: %s\n' "$*" >&2; docker compose --profile slim logs --tail 50 >&2 || true; exit 1; }
clean_up() {
  docker rm --force "$project-alone" >/dev/null 2>&1 || true
  docker compose --profile slim down --volumes --timeout 10 >/dev/null 2>&1 || true
  rm -rf "$clone" "$log"
}
request() { curl --silent --show-error --fail --max-time 120 "$@"; }
expect() { [ "$2" = "$3" ] || fail "$1: expected '$3', got '$2'"; echo "ok: $1: $2"; }
field() { python3 -c "import json, sys; response = json.load(sys.stdin); print($1)"; }

say "a clean clone"
git clone --quiet . "$clone"
cd "$clone"
trap clean_up EXIT

say "the slim image"
docker compose --profile slim build --quiet slim
size=$(docker image inspect can-ser:slim --format '{{.Size}}')
echo "can-ser:slim $size bytes"
[ "$size" -lt 900000000 ] || fail "the slim image is larger than 0.9 GB"
started=$SECONDS
docker compose --profile slim up --detach --wait --wait-timeout 300 slim || fail "the slim service does not become healthy"
echo "ready after $((SECONDS - started)) s"
response=$(request -F file=@tests/fixtures/speech/numbers.flac "http://$slim/predict")
expect "aligner of slim" "$(field 'response["aligner"]["name"]' <<<"$response")" moonshine
expect "front end of slim" "$(field 'response["model"]["front_end"]' <<<"$response")" both
expect "words of slim" "$(field 'response["utterances"][0]["text"]' <<<"$response")" "She paid forty-two dollars for the old book."
expect "user of slim" "$(docker compose --profile slim exec -T slim id -u)" 10001

say "slim with a key behind a proxy, as in docs/deploy.md"
docker compose --profile slim down --timeout 10
printed=$(docker compose --profile slim run --rm -T slim key) || fail "no key is printed"
grep '^CAN_API_KEYS=' <<<"$printed" > .env || fail "no line of .env is printed"
key=$(sed -n 's/^Authorization: Bearer //p' <<<"$printed")
printf 'CAN_ROOT_PATH=/emotion\nCAN_FORWARDED_ALLOW_IPS=172.16.0.0/12,192.168.0.0/16\n' >> .env
docker compose --profile slim up --detach --wait --wait-timeout 300 slim || fail "slim with a key does not become healthy"
status() { curl --silent --show-error --output /dev/null --write-out '%{http_code}' --max-time 120 "$@"; }
recording=file=@tests/fixtures/speech/numbers.flac
expect "without the key" "$(status -F "$recording" "http://$slim/predict")" 401
expect "with a wrong key" "$(status -H "Authorization: Bearer ${key}x" -F "$recording" "http://$slim/predict")" 401
expect "with the key" "$(status -H "Authorization: Bearer $key" -F "$recording" "http://$slim/predict")" 200
redirect=$(curl --silent --output /dev/null --write-out '%{redirect_url}' --max-time 120 \
  -H "Authorization: Bearer $key" -H "X-Forwarded-Proto: https" "http://$slim/docs/")
expect "prefix and scheme behind a proxy" "$redirect" "https://$slim/emotion/docs"
addresses=$(docker compose --profile slim exec -T slim python -c \
  "import socket; print(socket.gethostbyname('can-ser.internal') == socket.gethostbyname('slim'))")
expect "Prometheus' target is slim" "$addresses" True
expect "metrics without the key" "$(status "http://$slim/metrics")" 401
expect "metrics with the key" "$(status -H "Authorization: Bearer $key" "http://$slim/metrics")" 200
docker compose --profile slim down --timeout 10
rm .env
[ "${CPU:-1}" = 1 ] || exit 0

say "the cpu image"
BUILDKIT_PROGRESS=plain docker compose build api >"$log" 2>&1 || { tail -n 50 "$log" >&2; fail "the cpu image is not built"; }
docker image inspect can-ser:cpu --format 'can-ser:cpu {{.Size}} bytes'
cuda=$(docker run --rm --network none --entrypoint python can-ser:cpu -c "import torch; print(torch.version.cuda or 'none')")
echo "CUDA of torch in can-ser:cpu: $cuda"
if grep --quiet "libraries for GPUs removed" "$log"; then
  notices=$(grep --count "index of CPU-only wheels cannot be used" "$log" || true)
  [ "$cuda" = none ] || [ -z "${TORCH_BACKEND-cpu}" ] || expect "notices of the wheels with CUDA in the build log" "$notices" 1
  [ "$cuda" != none ] || expect "notices of the wheels with CUDA in the build log" "$notices" 0
else
  echo "the layer with torch is from the build cache: its log was not tested"
fi

say "no network and no weights: fetch reports it and exits with 0, the service uses the embedded aligner"
fetched=$(docker run --rm --network none can-ser:cpu fetch --optional 2>&1) || fail "fetch --optional did not exit with 0"
echo "$fetched"
case $fetched in *"could not be fetched"*) ;; *) fail "fetch does not report what is missing" ;; esac
docker run --detach --name "$project-alone" --network none --read-only --tmpfs /tmp --cap-drop ALL can-ser:cpu >/dev/null
for _ in $(seq 150); do
  health=$(docker inspect --format '{{.State.Health.Status}}' "$project-alone")
  [ "$health" = starting ] || break
  sleep 2
done
expect "health without weights" "$health" healthy
served=$(docker exec "$project-alone" python -c \
  "from urllib.request import urlopen; print(urlopen('http://127.0.0.1:8000/model').read().decode())")
expect "aligner without weights" "$(field 'response["aligner"]["name"]' <<<"$served")" moonshine
docker rm --force "$project-alone" >/dev/null

say "weights in the volume"
printf 'CAN_WHISPERX__MODEL=tiny-words\nCAN_ALIGNER=whisperx\nCAN_WHISPERX__THREADS=1\n' > .env
docker volume create --label "com.docker.compose.project=$project" --label com.docker.compose.volume=weights \
  "${project}_weights" >/dev/null
tar -C tests/fixtures/tiny_whisperx -cf - whisper align nltk_data | docker run --rm --interactive --volume \
  "${project}_weights:/weights" --entrypoint python can-ser:cpu -c \
  "import sys, tarfile; tarfile.open(fileobj=sys.stdin.buffer, mode='r|').extractall('/weights', filter='data')"

say "docker compose up"
started=$SECONDS
docker compose up --detach --wait --wait-timeout 600 api || fail "the service does not become healthy"
echo "ready after $((SECONDS - started)) s"
clip=tests/fixtures/tiny_whisperx/speech/00.flac
expected_words=$(python3 -c "import json; print(*(w['word'] for w in json.load(open('tests/fixtures/tiny_whisperx/speech/words.json'))['00']))")
predict() { request -F "file=@$clip" "http://$published/predict"; }
before=$(predict)
expect "aligner" "$(field 'response["aligner"]["name"]' <<<"$before")" whisperx
expect "words" "$(field '" ".join(u["text"] for u in response["utterances"])' <<<"$before")" "$expected_words"
inside() { docker compose exec -T api "$@"; }
expect "user" "$(inside id -u)" 10001
expect "capabilities" "$(inside sh -c "sed -n 's/^CapEff:[[:space:]]*//p' /proc/self/status")" 0000000000000000
expect "new privileges" "$(inside sh -c "sed -n 's/^NoNewPrivs:[[:space:]]*//p' /proc/self/status")" 1
for place in / /opt/venv /weights; do
  inside touch "$place/written" 2>/dev/null && fail "$place can be written to"
  echo "ok: $place is read-only"
done
expect "process 1" "$(inside cat /proc/1/comm)" docker-init

job=$(request -F "file=@$clip" "http://$published/jobs" | field 'response["id"]')
for _ in $(seq 60); do
  status=$(request "http://$published/jobs/$job" | field 'response["status"]')
  case $status in queued | running) sleep 1 ;; *) break ;; esac
done
expect "a job" "$status" done

say "restart"
docker compose restart api
docker compose up --detach --wait --wait-timeout 600 api || fail "the service does not become healthy after a restart"
expect "equal result" "$(predict | field 'response["probabilities"]')" "$(field 'response["probabilities"]' <<<"$before")"
expect "stored job" "$(request "http://$published/jobs/$job" | field 'response["status"]')" "$status"

say "down keeps the volume"
docker compose down
docker volume inspect "${project}_weights" >/dev/null || fail "the volume was removed"
echo "ok: ${project}_weights exists"

say "the other profiles are valid"
docker compose --profile gpu --profile monitoring --profile slim --profile train config --quiet

if [ "${GPU:-1}" = 1 ]; then
  say "the gpu image"
  docker compose --profile gpu build --quiet gpu
  docker image inspect can-ser:gpu --format 'can-ser:gpu {{.Size}} bytes'
  docker run --rm --network none --entrypoint python can-ser:gpu -c \
    "import ctranslate2, onnxruntime, torch, whisperx; print('torch', torch.__version__, 'CUDA', torch.version.cuda, \
'CTranslate2', ctranslate2.__version__, 'ONNX Runtime', onnxruntime.__version__, onnxruntime.get_available_providers())"
fi
if [ "${TRAIN:-0}" = 1 ]; then
  say "the train image"
  docker compose --profile train build --quiet train
  docker image inspect can-ser:train --format 'can-ser:train {{.Size}} bytes'
  help=$(docker run --rm --network none --read-only --tmpfs /tmp can-ser:train --help) || fail "model.train does not start"
  case $help in *--glove*) echo "ok: model.train starts" ;; *) fail "the help of model.train has no --glove" ;; esac
fi
say "all tests passed"
