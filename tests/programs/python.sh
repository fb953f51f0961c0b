# SPDX-License-Identifier: MIT
# python.sh - python3: its library, threads, sqlite3, sockets, TLS, asyncio.
# needs: python3 openssl
. "$TESTS/lib.inc"

python=/usr/bin/python3

openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj /CN=localhost \
	-addext 'subjectAltName = DNS:localhost' \
	-keyout key.pem -out cert.pem 2>openssl.log

try $python --version
try $python -c 'import sys; print(sys.argv, sys.executable); sys.exit(9)' a 'b c'
try $python -c 'raise ValueError("said natively, too")'
try $python -c 'import os; os.abort()'
for part in library threads sqlite net asynchronous; do
	try $python "$TESTS/python_$part.py"
done
try $python -m json.tool -h
try $python -m timeit -n 1 -r 1 -h
$python -m zipfile -c z.zip $LICENSES/GPL-3
try $python -m zipfile -l z.zip
try $python -m tabnanny "$TESTS/python_net.py"
try $python -m calendar 2024
