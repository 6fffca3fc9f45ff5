#!/usr/bin/env bash
# From nothing to a trained model, a translated file, its scores and a picture of its attention, on the embedded corpus.
set -euo pipefail
cd "$(dirname "$0")/.."

nmt-train experiment=quickstart

run=outputs/quickstart
nmt-translate model="$run" < "$run/test.source.txt" > "$run/test.hypotheses.txt"
nmt-evaluate model="$run"

cat <<EOT

Look at
  $run/report.html                        the run at a glance: curves, scores, attention
  $run/checkpoints/best/alignments/       where the model looked for every word, as pictures and as numbers
  $run/test.hypotheses.txt                what it makes of the test set

Translate your own lines:    nmt-translate model=$run < in.txt > out.txt
EOT
