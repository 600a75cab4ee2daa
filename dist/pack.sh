#!/usr/bin/env bash
# Packs the Azure Pipelines extension out/*.vsix out of task.json and dist/, by npm's tfx-cli (TFX names another tfx). What
# dist/assemble.sh put into dist/ goes with it. A warning of the packer is a failure.
set -euo pipefail
cd "$(dirname "$0")/.."

# The packer wants a task in a folder of its name.
stage=out/extension
rm -rf "$stage"
mkdir -p "$stage/passgate/dist"
cp vss-extension.json README.md LICENSE "$stage/"
cp task.json "$stage/passgate/"
cp dist/index.js dist/checksums.json "$stage/passgate/dist/"
for binary in dist/passgate-*; do
    [ -f "$binary" ] && cp "$binary" "$stage/passgate/dist/"
done
said=$("${TFX:-tfx}" extension create --root "$stage" --manifest-globs vss-extension.json --output-path out --no-prompt --json 2>&1) ||
    { echo "$said"; exit 1; }
echo "$said"
case $said in *[Ww]arning*) exit 1 ;; esac
