#!/bin/sh
# Make a virtual environment with pip: make-venv.sh FOLDER [VERSION], by default of Python 3.10.
# A usable one that is already there is kept; a broken one is made anew.
set -eu

venv=$1
wanted=${2:-3.10}

say() { printf '%s\n' "$*" >&2; }

# Whether the interpreter $1 is of the wanted version and has the module $2.
usable() {
    "$1" -c "import sys, $2; sys.exit('%d.%d' % sys.version_info[:2] != '$wanted')" >/dev/null 2>&1
}

if [ -e "$venv" ]; then
    if usable "$venv/bin/python" sys; then
        # pip is missing where uv made the environment or where an earlier run was interrupted.
        "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null
        exit 0
    fi
    if [ ! -e "$venv/pyvenv.cfg" ]; then
        say "$venv is in the way: it is not a virtual environment. Move it away and try again."
        exit 1
    fi
    if version=$("$venv/bin/python" -c 'import platform; print(platform.python_version())' 2>&1); then
        say "$venv holds Python $version, but $wanted is needed. Move it away and try again."
        exit 1
    fi
    say "The Python of $venv does not run; making the environment anew."
    rm -rf "$venv"
fi

if command -v uv >/dev/null 2>&1; then
    if uv venv --quiet --seed --python "$wanted" "$venv"; then
        exit 0
    fi
    say "uv could not make the environment; looking for an installed Python $wanted."
    rm -rf "$venv"
fi

python=python$wanted
if ! usable "$python" ensurepip && command -v pyenv >/dev/null 2>&1; then
    version=$(pyenv versions --bare | grep "^$wanted\.[0-9]*\$" | tail -n 1)
    if [ -n "$version" ]; then
        python=$(pyenv prefix "$version")/bin/python$wanted
    fi
fi
if usable "$python" ensurepip; then
    exec "$python" -m venv "$venv"
fi

say "$venv needs Python $wanted with its venv module, and none was found. Get it with one of

    uv python install $wanted
    pyenv install $wanted

and run the same make command again. (uv: https://docs.astral.sh/uv, pyenv: https://github.com/pyenv/pyenv)"
exit 1
