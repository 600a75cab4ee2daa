#!/usr/bin/env bash
# The steps of a release, as .github/workflows/release.yml takes them, and .ci/rehearse without it:
#   dist/release.sh check VERSION            whether this commit may become that version
#   dist/release.sh build                    tests this commit, and makes and proves the binary of this platform
#   dist/release.sh static FILE              proves that a Linux binary needs nothing but a kernel
#   dist/release.sh gather FOLDER            makes out/release: this commit with all binaries, out of FOLDER, in dist/
#   dist/release.sh publish VERSION FOLDER   commits what it gathers, tags that, and makes GitHub's release
# FOLDER has the binaries, and for `publish` the VSIX. Nothing here writes to a branch or to this work tree.
set -euo pipefail
cd "$(dirname "$0")/.."

platforms='linux-x64 linux-arm64 macos-x64 macos-arm64 windows-x64'
tree=out/release
repository=$(sed -n 's|^repository = "https://github.com/\(.*\)"|\1|p' Cargo.toml)

refuse() {
    echo "release: $1" >&2
    exit 1
}

asset() {
    case $1 in windows-*) echo "passgate-$1.exe" ;; *) echo "passgate-$1" ;; esac
}

# The lines of the changelog below the heading of a version.
notes() {
    awk -v heading="## [$1]" '/^## / { inside = index($0, heading) == 1; next } inside' CHANGELOG.md
}

# What the tag names at the origin; nothing if there is none.
tagged() {
    local found
    found=$(git ls-remote origin "refs/tags/v$1") || refuse 'the origin does not answer'
    awk -v name="refs/tags/v$1" '$2 == name { print $1 }' <<<"$found"
}

check() {
    local version=$1 found
    [[ $version =~ ^(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)\.(0|[1-9][0-9]*)$ ]] || refuse "\`$version\` is no version, such as 1.2.3"
    found=$(node -p '
        const read = (file) => JSON.parse(require("node:fs").readFileSync(file, "utf8")).version;
        const { Major, Minor, Patch } = read("task.json");
        `${read("vss-extension.json")} ${Major}.${Minor}.${Patch}`')
    found="$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1) $found"
    [ "$found" = "$version $version $version" ] ||
        refuse "Cargo.toml, vss-extension.json and task.json say $found, and $version was asked for"
    found=$(grep -oE 'passgate/passgate@v[0-9.]+' README.md | sort -u)
    [ "$found" = "passgate/passgate@v$version" ] || refuse "the README shows $found"
    [ -n "$(notes "$version")" ] || refuse "CHANGELOG.md says nothing below \`## [$version]\`"
    git fetch --quiet origin refs/heads/main
    git merge-base --is-ancestor HEAD FETCH_HEAD || refuse 'this commit is not on main'
    found=$(tagged "$version")
    [ -n "$found" ] || return 0
    # The release of this very commit may have been cut off half-way.
    git fetch --quiet origin "refs/tags/v$version"
    [ "$(git rev-parse --verify --quiet "$found^")" = "$(git rev-parse HEAD)" ] ||
        refuse "v$version exists already, and is $found: a version is released once"
}

static() {
    local said root as_root=''
    said=$(file -b "$1")
    echo "$said"
    case $said in *static-pie\ linked* | *statically\ linked*) ;; *) refuse "$1 is not a static binary" ;; esac
    # ldd fails on some static binaries, and says so of all of them.
    said=$(ldd "$1" 2>&1 || true)
    echo "$said"
    case $said in *'statically linked'* | *'not a dynamic executable'*) ;; *) refuse "$1 wants shared libraries" ;; esac
    root=$(mktemp -d)
    cp "$1" "$root/passgate"
    [ "$(id -u)" -eq 0 ] || as_root=sudo
    said=$($as_root chroot "$root" /passgate --version) || refuse "$1 does not start in an empty root"
    rm -r "$root"
    echo "in an empty root: $said"
}

build() {
    local host said file scratch
    host=$(rustc -vV | sed -n 's/^host: //p')
    # .cargo/config.toml names one.
    export CARGO_BUILD_TARGET=$host
    # The integration tests are written on Linux, for Linux.
    case $host in *-linux-*) cargo test --locked ;; *-windows-*) ;; *) cargo test --locked --lib ;; esac
    said=$(dist/assemble.sh | tee /dev/stderr | tail -n 1)
    file=${said##* }
    case $host in *-linux-*) static "$file" ;; esac
    said=$("$file" --version)
    [ "$said" = "passgate $(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)" ] || refuse "$file says it is $said"
    "$file" schema | cmp - schema/stage.v1.json || refuse "$file prints another schema"
    # It wants repositories at paths, which are not understood on Windows.
    case $host in *-windows-*) return ;; esac
    scratch=$(mktemp -d)
    "$file" demo --dir "$scratch/demo"
    rm -rf "$scratch"
}

gather() {
    local folder platform
    folder=$(cd "$1" && pwd)
    git worktree remove --force "$tree" 2>/dev/null || rm -rf "$tree"
    git worktree prune
    git worktree add --quiet --detach "$tree" HEAD
    for platform in $platforms; do
        [ -f "$folder/$(asset "$platform")" ] || refuse "there is no $(asset "$platform") in $1"
        "$tree/dist/assemble.sh" "$folder/$(asset "$platform")" "$platform"
    done
}

# A commit that anybody can make again out of the same binaries: no names and no clock of this run.
commit() {
    local version=$1 date changed
    git -C "$tree" add --force dist/checksums.json dist/passgate-*
    date=$(git show -s --format=%cI HEAD)
    commit=$(
        export GIT_{AUTHOR,COMMITTER}_NAME=passgate GIT_{AUTHOR,COMMITTER}_EMAIL=passgate@localhost
        export GIT_{AUTHOR,COMMITTER}_DATE="$date"
        git commit-tree -p HEAD -m "Release $version" "$(git -C "$tree" write-tree)"
    )
    changed=$(git diff-tree -r --name-only HEAD "$commit" | grep -v '^dist/passgate-' || true)
    [ "$changed" = dist/checksums.json ] || refuse "the release would change $changed"
}

# What is tagged, what is packed and what is attached are the same bytes.
is_one() {
    local folder=$1 vsix=$2 name
    for name in "${binaries[@]}"; do
        git cat-file blob "$commit:dist/$name" | cmp - "$folder/$name" || refuse "the commit has another $name"
        [ "$(git ls-tree "$commit" "dist/$name" | cut -c 1-6)" = 100755 ] || refuse "$name is not executable in the commit"
    done
    for name in "${binaries[@]/#/dist/}" dist/checksums.json dist/index.js task.json; do
        git cat-file blob "$commit:$name" | cmp - <(unzip -p "$vsix" "passgate/$name") || refuse "$vsix has another $name"
    done
}

publish() {
    local version=$1 folder=$2 vsix platform file found commit binaries=()
    check "$version"
    vsix=("$folder"/*.vsix)
    if [ ${#vsix[@]} -ne 1 ] || [ ! -f "${vsix[0]}" ]; then refuse "$folder must have one VSIX"; fi
    gather "$folder"
    commit "$version"
    for platform in $platforms; do binaries+=("$(asset "$platform")"); done
    is_one "$folder" "${vsix[0]}"
    for file in "${binaries[@]/#/$folder/}" "${vsix[0]}"; do
        gh attestation verify "$file" --repo "$repository" --source-digest "$(git rev-parse HEAD)" \
            --signer-workflow "$repository/.github/workflows/release.yml" || refuse "nothing attests that this workflow built $file"
    done
    found=$(tagged "$version")
    [ -z "$found" ] || [ "$found" = "$commit" ] || refuse "v$version exists already, and is $found: a version is released once"
    # Never by force, so of two that race one is refused by the server.
    [ -n "$found" ] || git -c credential.helper= -c credential.helper='!gh auth git-credential' push origin "$commit:refs/tags/v$version"
    notes "$version" >"$tree/notes.md"
    gh release create "v$version" --repo "$repository" --verify-tag --title "v$version" --notes-file "$tree/notes.md" \
        "${binaries[@]/#/$folder/}" "$tree/dist/checksums.json" "${vsix[0]}"
    echo "released v$version as $commit"
}

case "${1:-} $#" in
'check 2' | 'build 1' | 'static 2' | 'gather 2' | 'publish 3') "$@" ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
