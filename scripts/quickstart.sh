#!/usr/bin/env bash
# From nothing to a trained model, a translated file, its scores and pictures of its attention, on the embedded corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

run=outputs/quickstart
nmt-train experiment=quickstart output="$run"
nmt-translate model="$run" input="$run/test.source.txt" output="$run/translated.txt"
nmt-evaluate hypotheses="$run/translated.txt" references="$run/test.references.txt" language=de

echo
echo "Five sentences of the test set, and what the model makes of them:"
paste -d '\n' <(head -n 5 "$run/test.source.txt") <(head -n 5 "$run/translated.txt")

cat <<EOT

Look at
  $run/report.html                        the run at a glance: scores, curves, attention over checkpoints
  $run/checkpoints/*/alignments/*.png     where the model looked for every word, at every checkpoint
  $run/scores.json                        the scores, with signatures
  $run/checkpoints/best/                  the model folder: copy it anywhere

Translate your own lines:    .venv/bin/nmt-translate model=$run < in.txt > out.txt
EOT
