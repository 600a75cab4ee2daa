#!/usr/bin/env bash
# Puts the binary of this platform into dist/ and its SHA-256 into dist/checksums.json, as a release tag and the VSIX have
# them. `dist/assemble.sh FILE PLATFORM` takes a binary that was built elsewhere, such as passgate macos-arm64.
set -euo pipefail
cd "$(dirname "$0")/.."

version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
if [ $# -eq 2 ]; then
    binary=$1 platform=$2
elif [ $# -eq 0 ]; then
    host=$(rustc -vV | sed -n 's/^host: //p')
    cargo build --locked --profile dist --target "$host"
    case $host in
    x86_64-*-linux-*) platform=linux-x64 ;;
    aarch64-*-linux-*) platform=linux-arm64 ;;
    x86_64-apple-*) platform=macos-x64 ;;
    aarch64-apple-*) platform=macos-arm64 ;;
    x86_64-*-windows-*) platform=windows-x64 ;;
    *) echo "no platform for $host" >&2; exit 1 ;;
    esac
    binary=target/$host/dist/passgate
else
    echo "usage: dist/assemble.sh [FILE PLATFORM]" >&2
    exit 2
fi
case $platform in windows-*) suffix=.exe ;; *) suffix= ;; esac
[ -f "$binary" ] || binary=$binary$suffix
name=passgate-$platform$suffix
install -m 755 "$binary" "dist/$name"
node -e '
const fs = require("node:fs");
const [name, platform, version] = process.argv.slice(1);
const file = "dist/checksums.json";
const sha256 = require("node:crypto").createHash("sha256").update(fs.readFileSync(`dist/${name}`)).digest("hex");
const old = JSON.parse(fs.readFileSync(file, "utf8"));
const platforms = old.version === version ? old.platforms : {};
platforms[platform] = { url: `https://github.com/passgate/passgate/releases/download/v${version}/${name}`, sha256 };
fs.writeFileSync(file, JSON.stringify({ version, platforms }, null, 2) + "\n");
console.log(`${sha256}  dist/${name}`);
' "$name" "$platform" "$version"
