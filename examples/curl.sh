#!/usr/bin/env bash
# Captions one recording with curl and nothing else: the OpenAI protocol, or DashScope's with --dashscope.
#
#   examples/curl.sh https://example.com/birds.mp3        the server fetches it
#   examples/curl.sh birds.mp3                            a file, sent as base64 (below 7.8 MB)
#   examples/curl.sh --stream birds.mp3                   events as they come
#   examples/curl.sh --dashscope --stream birds.mp3
#   examples/curl.sh --words talk.mp3                     the words alone, as subtitles (a file below 10 MB)
#
# EARWITNESS_URL is the server (http://127.0.0.1:8000), API_KEY its key, where it has keys.
set -euo pipefail

server=${EARWITNESS_URL:-http://127.0.0.1:8000}
protocol=openai stream=false
while [[ ${1:-} == --* ]]; do
  case $1 in
    --stream) stream=true ;;
    --dashscope | --words) protocol=${1#--} ;;
    *) echo "curl.sh: no option $1" >&2; exit 2 ;;
  esac
  shift
done
given=${1:?say which recording: curl.sh [--dashscope] [--stream] PATH|URL}
asking=(curl --silent --show-error --no-buffer --fail-with-body --header "Authorization: Bearer ${API_KEY:-any}")

if [[ $protocol == words ]]; then
  exec "${asking[@]}" "$server/v1/audio/transcriptions" --form "file=@$given" --form model=whisper-1 --form response_format=srt
fi

# The body goes through a pipe: base64 of a recording is too long for an argument.
audio() {
  if [[ $given == http://* || $given == https://* ]]; then printf '%s' "$given"; else
    printf 'data:;base64,'
    base64 --wrap=0 "$given"
  fi
}
asking+=(--header 'Content-Type: application/json' --data-binary @-)
model=qwen3-omni-30b-a3b-captioner
if [[ $protocol == openai ]]; then
  printf '{"model": "%s", "stream": %s, "messages": [{"role": "user", "content": [
    {"type": "input_audio", "input_audio": {"data": "%s"}}]}]}' "$model" "$stream" "$(audio)" |
    "${asking[@]}" "$server/v1/chat/completions"
else
  if $stream; then asking+=(--header 'X-DashScope-SSE: enable'); fi
  printf '{"model": "%s", "input": {"messages": [{"role": "user", "content": [{"audio": "%s"}]}]},
    "parameters": {"incremental_output": %s}}' "$model" "$(audio)" "$stream" |
    "${asking[@]}" "$server/api/v1/services/aigc/multimodal-generation/generation"
fi
echo
