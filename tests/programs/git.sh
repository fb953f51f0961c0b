# SPDX-License-Identifier: MIT
# git.sh - git: commits, merges, hooks, a clone and a push over pipes.
# needs: git
. "$TESTS/lib.inc"

export GIT_CONFIG_NOSYSTEM=1 GIT_PAGER=cat GIT_EDITOR=true
export GIT_AUTHOR_NAME=A GIT_AUTHOR_EMAIL=a@b GIT_COMMITTER_NAME=C
export GIT_COMMITTER_EMAIL=c@d GIT_AUTHOR_DATE='1700000000 +0000'
export GIT_COMMITTER_DATE='1700000000 +0000'
try git init -q -b main repo
cd repo || exit
seq 100 >file
try git add file
try git commit -q -m first
printf '#!/bin/sh\necho hook runs\n' >.git/hooks/pre-commit
chmod +x .git/hooks/pre-commit
try git checkout -q -b side
sed -i s/^50$/fifty/ file
try git commit -q -a -m side
try git checkout -q main
sed -i s/^5$/five/ file
try git commit -q -a -m main
try git merge -q -m merged side
try git log --oneline --graph
try git diff HEAD~1 --stat
try git blame -s -L 5,6 file
try git -c alias.x='!echo alias; exit 4' x
cd ..
try git clone -q --bare repo bare.git
try git clone -q --no-local bare.git copy
cd copy || exit
echo more >>file
try git commit -q -a -m pushed
try git push -q
try git -C ../bare.git log --format=%s
try git gc -q
try git fsck --no-progress
try git grep -n fifty
try git rebase -q HEAD~1
$RUN git archive HEAD | tar -t
