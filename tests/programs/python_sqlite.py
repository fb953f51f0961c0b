# SPDX-License-Identifier: MIT
"""python_sqlite.py - sqlite3 with a file, a journal, WAL, several threads."""
import glob
import os
import re
import sqlite3
import threading

for mode in ("delete", "wal"):
    name = f"words-{mode}.db"
    db = sqlite3.connect(name, timeout=60)
    print(db.execute(f"pragma journal_mode={mode}").fetchone())
    db.execute("pragma synchronous=off")
    db.execute("create table word (file text, line int, word text)")
    for f in sorted(glob.glob("/usr/share/common-licenses/*[GB]*L*3") +
                    ["/usr/share/common-licenses/BSD"]):
        with open(f, encoding="utf-8") as lines:
            db.executemany("insert into word values (?, ?, ?)", (
                (os.path.basename(f), i, w.lower())
                for i, line in enumerate(lines)
                for w in re.findall(r"[A-Za-z]+", line)))
    db.commit()
    db.execute("create index by_word on word (word)")
    print(db.execute("select count(*), count(distinct word) from word")
          .fetchone())
    for row in db.execute("select word, count(*) n from word group by word "
                          "order by n desc, word limit 8"):
        print(row)
    print(db.execute("select a.word, count(*) from word a join word b using "
                     "(word) where a.file = 'BSD' and b.file = 'GPL-3' group "
                     "by 1 order by 2 desc, 1 limit 3").fetchall())
    db.execute("create table total (n int)")
    db.execute("insert into total values (0)")
    db.commit()

    def add():
        own = sqlite3.connect(name, timeout=120, isolation_level=None)
        for _ in range(10):
            own.execute("begin immediate")
            n = own.execute("select n from total").fetchone()[0]
            own.execute("update total set n = ?", (n + 1,))
            own.execute("commit")
        own.close()

    threads = [threading.Thread(target=add) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    print(db.execute("select n from total").fetchone())
    try:
        db.execute("insert into nothing values (1)")
    except sqlite3.OperationalError as e:
        print(e)
    db.execute("delete from word where length(word) < 5")
    db.commit()
    db.execute("vacuum")
    print(db.execute("pragma integrity_check").fetchone())
    db.close()
    print(sorted(glob.glob(name + "*")), os.path.getsize(name))
