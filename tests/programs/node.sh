# SPDX-License-Identifier: MIT
# node.sh - node: the JIT and its collector, timers, files, worker threads, http,
# WebAssembly.
# needs: node
# timeout: 120
# modes: auto auto-1 ring-2
. "$TESTS/lib.inc"

cat >work.js <<'END'
'use strict';
function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }
console.log(fib(25));
const m = new Map();
for (let i = 0; i < 100000; i++) m.set('k' + i % 5000, (m.get('k' + i % 5000) || 0) + i);
console.log(m.size, m.get('k77'));
let h = 0;
for (let i = 0; i < 3e6; i++) h = (Math.imul(h, 31) + i) | 0;
console.log(h);
// Types change under the compiled code.
function add(a, b) { return a + b; }
let s = 0;
for (let i = 0; i < 20000; i++) s = add(s, i);
console.log(s, add('a', 'b'), add(1.5, 2), add([], {}));
for (let i = 0; i < 200; i++) {
	const f = new Function('x', `let s = 0; for (let i = 0; i < 200; i++) s += i % ${i % 13 + 1} + x; return s`);
	s += f(i);
}
console.log(s);
let keep = [];
for (let i = 0; i < 60000; i++) { keep.push({ i, a: [i, i + 1], s: 'x' + i }); if (keep.length > 5000) keep = keep.slice(2500); }
console.log(keep.length);
console.log([3, 1, 2].sort().join(), JSON.stringify({ a: [1, { b: null }] }), /(\d+)-(\w+)/.exec('12-ab')[2]);
const wasm = new Uint8Array([0, 97, 115, 109, 1, 0, 0, 0, 1, 7, 1, 96, 2, 127, 127, 1, 127, 3, 2, 1, 0, 7, 7, 1, 3, 97, 100, 100, 0, 0, 10, 9, 1, 7, 0, 32, 0, 32, 1, 106, 11]);
WebAssembly.instantiate(wasm).then(r => {
	let n = 0;
	for (let i = 0; i < 100000; i++) n = r.instance.exports.add(n, i);
	console.log('wasm', n);
});
END
cat >io.js <<'END'
'use strict';
const fs = require('fs'), http = require('http'), zlib = require('zlib'), crypto = require('crypto'), path = require('path');
const { Worker, isMainThread, parentPort, workerData } = require('worker_threads');
if (!isMainThread) {
	let s = 0;
	for (let i = 0; i < 300000; i++) s += i % workerData;
	const shared = workerData;
	parentPort.postMessage([shared, s]);
} else (async () => {
	fs.mkdirSync('d');
	for (let i = 0; i < 50; i++) fs.writeFileSync('d/f' + i, 'x'.repeat(i * 100));
	console.log(fs.readdirSync('d').length, fs.statSync('d/f49').size);
	const sizes = await Promise.all(Array.from({ length: 50 }, (_, i) => fs.promises.readFile('d/f' + i).then(b => b.length)));
	console.log(sizes.reduce((a, b) => a + b));
	console.log(crypto.createHash('sha256').update('abc').digest('hex'));
	console.log(crypto.pbkdf2Sync('p', 's', 1000, 16, 'sha1').toString('hex'));
	const z = await new Promise((ok, no) => zlib.gzip('hello '.repeat(10000), (e, b) => e ? no(e) : ok(b)));
	console.log(zlib.gunzipSync(z).length);
	const results = await Promise.all([3, 5, 7, 11].map(n => new Promise((ok, no) => {
		const w = new Worker(__filename, { workerData: n });
		w.on('message', ok); w.on('error', no);
	})));
	console.log(JSON.stringify(results));
	const server = http.createServer((q, r) => { r.end('you asked ' + q.url); });
	await new Promise(ok => server.listen(0, '127.0.0.1', ok));
	const get = u => new Promise((ok, no) => http.get({ port: server.address().port, host: '127.0.0.1', path: u }, r => {
		let s = ''; r.on('data', d => s += d); r.on('end', () => ok(s));
	}).on('error', no));
	const answers = await Promise.all(Array.from({ length: 40 }, (_, i) => get('/' + i)));
	console.log(answers.length, answers[39]);
	server.close();
	const order = [];
	setTimeout(() => order.push('timeout'), 5);
	setImmediate(() => order.push('immediate'));
	process.nextTick(() => order.push('tick'));
	await new Promise(ok => setTimeout(ok, 30));
	console.log(order.join());
	process.once('SIGUSR2', () => { console.log('signal'); process.exit(3); });
	setInterval(() => {}, 1000);
	process.kill(process.pid, 'SIGUSR2');
})();
END
try node --version
try node work.js
try node --always-sparkplug --stress-compaction work.js
try node --jitless -p '1 + 1'
try node io.js
try node -e 'process.stdout.write("out\n"); process.exitCode = 4'
try node --cpu-prof --cpu-prof-interval 100 --cpu-prof-dir=prof -e '
let s = 0; for (let i = 0; i < 4e6; i++) s += Math.sqrt(i); console.log(s)'
find prof -name '*cpuprofile*' | wc -l
