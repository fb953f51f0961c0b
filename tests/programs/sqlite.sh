# SPDX-License-Identifier: MIT
# sqlite.sh - the sqlite3 shell and Python's module, on a file, with WAL,
# locks between connections, and an integrity check by the other side.
# needs: sqlite3 python3
. "$TESTS/lib.sh"

title shell
$RUN sqlite3 a.db <<'END'
CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, v REAL);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
INSERT INTO t SELECT i, printf('name-%05d', (i * 7919) % 20011), i / 7.0 FROM n;
CREATE INDEX by_name ON t(name);
SELECT count(*), round(sum(v), 3), min(name), max(name) FROM t;
SELECT id FROM t WHERE name = 'name-00042';
BEGIN; DELETE FROM t WHERE id % 3 = 0; SELECT changes(); ROLLBACK;
SELECT count(*) FROM t;
UPDATE t SET v = v + 1 WHERE id < 1000;
SELECT name, v FROM t ORDER BY name DESC LIMIT 3;
EXPLAIN QUERY PLAN SELECT * FROM t WHERE name > 'name-1';
PRAGMA integrity_check;
VACUUM;
.mode csv
SELECT * FROM t WHERE id BETWEEN 5 AND 8;
SELECT json_group_array(id) FROM t WHERE id < 5;
CREATE VIRTUAL TABLE f USING fts5(body);
INSERT INTO f SELECT 'the quick ' || name || ' jumps' FROM t;
SELECT count(*) FROM f WHERE f MATCH 'quick';
END
sqlite3 a.db 'PRAGMA integrity_check; SELECT count(*), sum(id) FROM t'
status $RUN sqlite3 a.db 'SELECT * FROM nothing'
status $RUN sqlite3 -readonly a.db 'DELETE FROM t'

title wal
$RUN sqlite3 w.db <<'END'
PRAGMA journal_mode = WAL;
CREATE TABLE t(x);
INSERT INTO t VALUES (1), (2), (3);
PRAGMA wal_checkpoint(TRUNCATE);
SELECT sum(x) FROM t;
END
sqlite3 w.db 'INSERT INTO t VALUES (4)'
$RUN sqlite3 w.db 'SELECT sum(x) FROM t'

title python
$RUN python3 - <<'END'
import sqlite3, threading
db = sqlite3.connect("p.db", timeout=60)
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE t(thread INT, n INT)")
db.commit()
def work(k):
    c = sqlite3.connect("p.db", timeout=60, isolation_level=None)
    for i in range(100):
        c.execute("BEGIN IMMEDIATE")
        c.execute("INSERT INTO t VALUES (?, ?)", (k, i))
        c.execute("COMMIT")
    c.close()
ts = [threading.Thread(target=work, args=(k,)) for k in range(4)]
[t.start() for t in ts]; [t.join() for t in ts]
print(db.execute("SELECT thread, count(*), sum(n) FROM t GROUP BY thread").fetchall())
db.create_function("rev", 1, lambda s: s[::-1])
print(db.execute("SELECT rev('azalea')").fetchone())
mem = sqlite3.connect(":memory:")
db.backup(mem)
print(mem.execute("SELECT count(*) FROM t").fetchone(), db.execute("PRAGMA integrity_check").fetchone())
END
