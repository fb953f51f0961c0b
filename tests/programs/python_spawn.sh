# SPDX-License-Identifier: MIT
# python_spawn.sh - python3, perl and node starting programs.
# needs: python3
. "$TESTS/lib.inc"

cat >spawn.py <<'END'
import concurrent.futures, multiprocessing, os, subprocess, sys


def square(n):
    return n * n


if __name__ == "__main__":
    print(subprocess.run(["sort", "-r"], input=b"a\nb\nc\n",
                         capture_output=True).stdout)
    print(subprocess.check_output("echo $((6 * 7)); exit 0", shell=True))
    for words in ["/nonexistent"], ["/etc/passwd"], ["/"]:
        try:
            subprocess.run(words)
        except OSError as e:
            print(type(e).__name__, e.filename)
    p = subprocess.Popen(["sleep", "100"])
    p.terminate()
    print(p.wait())
    p = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                         cwd="/", start_new_session=True, text=True)
    print(p.communicate("through cat\n"), p.returncode)
    print(subprocess.run([sys.executable, "-c", "import os; print(os.getcwd())"],
                         cwd="/usr", capture_output=True, text=True).stdout)
    print(os.system("exit 5"), os.popen("echo popen").read().strip())
    pid = os.posix_spawn("/bin/sh", ["sh", "-c", "exit 9"], os.environ)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        print(sorted(pool.map(lambda i: subprocess.run(
            ["sh", "-c", f"exit {i}"]).returncode, range(20))))
    try:
        subprocess.run(["sleep", "10"], timeout=0.05)
    except subprocess.TimeoutExpired:
        print("timed out")
    for how in "fork", "spawn":
        with multiprocessing.get_context(how).Pool(2) as pool:
            print(how, pool.map(square, range(5)))
    sys.stdout.flush()
    os.execvp("sh", ["sh", "-c", "echo replaced; exit 6"])
END
try python3 spawn.py
if command -v perl >/dev/null; then
	try perl -e '$| = 1; print `echo quoted`; open P, "-|", "seq 3" or die;
		print <P>; close P; open Q, "|-", "sort -r" or die;
		print Q "x\ny\n"; close Q; print system("exit 2") >> 8, "\n";
		exec { "sh" } "named", "-c", "echo \$0"'
fi
if command -v node >/dev/null; then
	try node -e 'const c = require("child_process");
		console.log(c.execSync("echo sync").toString());
		console.log(c.spawnSync("sh", ["-c", "exit 3"]).status);
		console.log(c.spawnSync("/nonexistent").error.code);
		c.execFile("seq", ["3"], (e, out) => console.log(out));'
fi
