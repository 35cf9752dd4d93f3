# Ends the daemons of a kit that went without ending them: killed, or out of patience.
#
# Standard input is a pipe that the kit holds open. `+ <pid>` is a daemon of its own, `- <pid>` one that it is about to
# reap (until then nobody else can have that pid). At the end of the input those that are left are killed.
set -u
trap '' INT HUP TERM
declare -A alive=()
while read -r change pid; do
    case "$change" in
    +) alive[$pid]=1 ;;
    -) unset "alive[$pid]" ;;
    esac
done
for pid in "${!alive[@]}"; do
    kill -KILL "$pid" 2>/dev/null
done
