#!/bin/sh
# Make a virtual environment with pip: make-venv.sh FOLDER [VERSION...], with the first of these
# Pythons that is there, by default the one of .python-version and then any other supported one.
# A usable one that is already there is kept; a broken one is made anew.
set -eu

venv=$1
shift
[ $# -gt 0 ] || set -- "$(cat "$(dirname "$0")/../.python-version")" 3.12 3.13 3.11 3.10

say() { printf '%s\n' "$*" >&2; }

# Whether the interpreter $1 is of the version $2 and has the module $3.
usable() {
    "$1" -c "import sys, $3; sys.exit('%d.%d' % sys.version_info[:2] != '$2')" >/dev/null 2>&1
}

# Print the path of an installed Python of the version $1.
installed() {
    if usable "python$1" "$1" ensurepip; then
        echo "python$1"
        return
    fi
    if command -v pyenv >/dev/null 2>&1; then
        version=$(pyenv versions --bare | grep "^$1\.[0-9]*\$" | tail -n 1)
        if [ -n "$version" ]; then
            python=$(pyenv prefix "$version")/bin/python$1
            usable "$python" "$1" ensurepip && echo "$python" && return
        fi
    fi
    if command -v uv >/dev/null 2>&1; then
        python=$(uv python find --no-project --no-python-downloads --system "$1" 2>/dev/null) &&
            usable "$python" "$1" ensurepip && echo "$python" && return
    fi
    return 1
}

if [ -e "$venv" ]; then
    for wanted; do
        if usable "$venv/bin/python" "$wanted" sys; then
            # pip is missing where uv made the environment or where an earlier run was interrupted.
            "$venv/bin/python" -m pip --version >/dev/null 2>&1 ||
                "$venv/bin/python" -m ensurepip >/dev/null
            exit 0
        fi
    done
    if [ ! -e "$venv/pyvenv.cfg" ]; then
        say "$venv is in the way: it is not a virtual environment. Move it away and try again."
        exit 1
    fi
    if version=$("$venv/bin/python" -c 'import platform; print(platform.python_version())' 2>&1); then
        say "$venv holds Python $version, but $1 is needed. Move it away and try again."
        exit 1
    fi
    say "The Python of $venv does not run; making the environment anew."
    rm -rf "$venv"
fi

for wanted; do
    if python=$(installed "$wanted"); then
        exec "$python" -m venv "$venv"
    fi
done

# Nothing there; uv gets the first.
if command -v uv >/dev/null 2>&1; then
    if uv venv --quiet --no-project --seed --python "$1" "$venv"; then
        exit 0
    fi
    rm -rf "$venv"
fi

say "$venv needs Python $1 with its venv module, and none was found. Get it with one of

    uv python install $1
    pyenv install $1

and run the same make command again. (uv: https://docs.astral.sh/uv, pyenv: https://github.com/pyenv/pyenv)"
exit 1
