# Runs a program on a pseudo-terminal: on-terminal.py STEPS PROGRAM ARG…
# STEPS is JSON: [[text to type, regular expression to wait for then], …]; "" types nothing, null waits for the end.
# Prints what came between, as JSON: one string a step; and the exit status last.
import json, os, pty, re, select, sys, time

steps = json.loads(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.execvp(sys.argv[2], sys.argv[2:])

seen = ""
out = []


def read(deadline):
    global seen
    ready = select.select([terminal], [], [], max(0, deadline - time.time()))[0]
    if not ready:
        raise TimeoutError
    try:
        data = os.read(terminal, 65536)
    except OSError:
        data = b""
    seen += data.decode("utf-8", "replace")
    return data != b""


for text, pattern in steps:
    os.write(terminal, text.encode())
    deadline = time.time() + 20
    try:
        while pattern is None or not re.search(pattern, seen):
            if not read(deadline):
                if pattern is None:
                    break
                raise TimeoutError
    except TimeoutError:
        out.append("TIMEOUT after " + repr(seen))
        print(json.dumps(out))
        os.kill(pid, 9)
        sys.exit(1)
    end = len(seen) if pattern is None else re.search(pattern, seen).end()
    out.append(seen[:end])
    seen = seen[end:]

out.append(str(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])))
print(json.dumps(out))
