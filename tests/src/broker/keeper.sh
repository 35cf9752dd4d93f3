# Keeps one private RabbitMQ node, and ends it with the process that started it.
#
# Standard input is a pipe that the kit holds open. However the kit ends, by its end the pipe closes; `read` comes back,
# and the node, its epmd and its folder go. Nothing here is found by name: only what was started here is killed.
#
# A line is an order: `kill` ends the node as a power cut does, `stop` as an operator does, `start` starts it again on what
# it left. An order that was carried out is answered by a line on standard output; the node's own output is in output.log.
#
# In: RABBITMQ_SERVER (the server's script), KEPT_FOLDER (a temporary folder, removed at the end),
#     ERL_EPMD_PORT, ERL_EPMD_ADDRESS and the RABBITMQ_* variables of the node.
set -u
# Background jobs get process groups of their own, so that a job is killed with all it started.
set -m
trap '' INT HUP TERM

# In the foreground and before the node, which would start one of its own, daemonised and out of sight.
epmd -port "$ERL_EPMD_PORT" -address "$ERL_EPMD_ADDRESS" >>"$KEPT_FOLDER/epmd.log" 2>&1 &
epmd=$!
node=
start() {
    "$RABBITMQ_SERVER" >>"$KEPT_FOLDER/output.log" 2>&1 &
    node=$!
}
start

while read -r order; do
    case "$order" in
    kill) kill -KILL -- "-$node" 2>/dev/null && wait "$node" 2>/dev/null ;;
    stop) kill -TERM -- "-$node" 2>/dev/null && wait "$node" 2>/dev/null ;;
    start) start ;;
    esac
    printf 'done %s\n' "$order"
done

# Nothing in the node is worth a clean stop: its folder goes too.
kill -KILL -- "-$node" 2>/dev/null
kill -KILL -- "-$epmd" 2>/dev/null
wait "$node" "$epmd" 2>/dev/null
# The node is a child of its script and may write a moment longer, which lets a removal fail.
for _ in 1 2 3 4 5 6 7 8 9 10; do
    rm -rf -- "$KEPT_FOLDER" 2>/dev/null && break
    sleep 0.2
done
