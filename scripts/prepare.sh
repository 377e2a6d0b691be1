# Sourced by the scripts beside it: `prepare [uv sync flags]` fills .venv from uv.lock, fetching uv itself if needed.
# Needs Python 3.11 or newer with pip, or uv. The machine's own settings for uv and pip hold.

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
own="$root/.sheaf"
python="$root/.venv/bin/python"

prepare() {
  mkdir -p "$own"
  local log="$own/prepare.log"
  : >"$log"
  export UV_COMPILE_BYTECODE=1 # or every start pays for it where Python may write none
  if [[ ! -w "${HOME:-}" ]]; then
    export UV_CACHE_DIR="${UV_CACHE_DIR:-$own/cache}"
  fi
  if uv --version >/dev/null 2>&1 && sync_with uv "$@" 2>>"$log"; then
    return
  fi
  if { fetch_uv && { sync_with "$own/uv/bin/uv" "$@" || install_with_pip; }; } >>"$log" 2>&1; then
    return
  fi
  cat "$log" >&2
  echo "sheaf: the Python packages could not be installed; the reason is above." >&2
  exit 1
}

# The second try trusts the certificates of the system, which uv leaves aside unless told.
sync_with() {
  local uv=$1
  shift
  "$uv" sync --project "$root" --frozen --quiet "$@" ||
    UV_SYSTEM_CERTS=true "$uv" sync --project "$root" --frozen --quiet "$@"
}

fetch_uv() {
  [[ -x "$own/uv/bin/uv" ]] && return
  local python3
  python3=$(find_python) || return
  echo "fetching uv" >&2
  "$python3" -m pip install --quiet --disable-pip-version-check --target "$own/uv" uv && return
  "$python3" -m venv "$own/uv" && "$own/uv/bin/python" -m pip install --quiet uv
}

find_python() {
  local name
  for name in python3 python3.13 python3.12 python3.11 python; do
    if "$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then
      echo "$name"
      return
    fi
  done
  echo "Python 3.11 or newer is needed" >&2
  return 1
}

# Where only pip knows how to reach packages (a mirror in its settings): the same versions, checked by the same hashes.
install_with_pip() {
  local python3 list="$own/requirements.txt"
  python3=$(find_python) || return
  "$own/uv/bin/uv" export --project "$root" --frozen --quiet --no-emit-project --output-file "$list" &&
    "$python3" -m venv --clear --without-pip "$root/.venv" &&
    "$python3" -m pip --python "$python" install --quiet --require-hashes --requirement "$list" &&
    "$python3" -m pip --python "$python" install --quiet --no-deps --editable "$root"
}
