// SPDX-License-Identifier: MIT

// Program main exercises Go's runtime: its own scheduler, stacks, timers,
// memory and signals, and the network poller. Its output never varies.
package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"runtime/debug"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func programs() {
	var wg sync.WaitGroup
	var failed int32
	for i := 0; i < 8; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			out, err := exec.Command("sh", "-c", "echo $0; exit 2",
				"word").CombinedOutput()
			if string(out) != "word\n" || err.Error() != "exit status 2" {
				atomic.AddInt32(&failed, 1)
			}
		}()
	}
	wg.Wait()
	_, err := exec.Command("/nonexistent").Output()
	fmt.Println(failed, err)
	c := exec.Command("cat")
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	c.Stdin = strings.NewReader("through cat\n")
	c.Stdout = os.Stdout
	fmt.Println(c.Run())
	fmt.Println(syscall.Exec("/bin/echo", []string{"echo", "replaced"},
		os.Environ()))
}

func channels() {
	in, out := make(chan int), make(chan int, 10)
	var wg sync.WaitGroup
	for i := 0; i < 100; i++ {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for v := range in {
				out <- v * v
			}
		}()
	}
	go func() {
		for i := 0; i < 20000; i++ {
			in <- i
		}
		close(in)
		wg.Wait()
		close(out)
	}()
	sum := 0
	for v := range out {
		sum += v
	}
	fmt.Println("channels", sum)

	// A chain of ten thousand goroutines.
	first := make(chan int)
	last := first
	for i := 0; i < 10000; i++ {
		next := make(chan int)
		go func(from, to chan int) { to <- 1 + <-from }(last, next)
		last = next
	}
	first <- 0
	fmt.Println("chain", <-last)
}

func locks() {
	var mu sync.Mutex
	var rw sync.RWMutex
	var n, atomicN int64
	var wg sync.WaitGroup
	m := map[int]int{}
	for i := 0; i < 50; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			for k := 0; k < 1000; k++ {
				mu.Lock()
				n++
				mu.Unlock()
				atomic.AddInt64(&atomicN, 1)
				if k%10 == 0 {
					rw.Lock()
					m[k]++
					rw.Unlock()
				} else {
					rw.RLock()
					_ = m[k]
					rw.RUnlock()
				}
			}
		}(i)
	}
	wg.Wait()
	fmt.Println("locks", n, atomicN, len(m), m[10])
}

func timers() {
	start := time.Now()
	time.Sleep(20 * time.Millisecond)
	fmt.Println("sleep", time.Since(start) >= 20*time.Millisecond)
	tick := time.NewTicker(2 * time.Millisecond)
	for i := 0; i < 10; i++ {
		<-tick.C
	}
	tick.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
	defer cancel()
	<-ctx.Done()
	fmt.Println("context", ctx.Err())
	select {
	case <-make(chan int):
	case <-time.After(5 * time.Millisecond):
		fmt.Println("after")
	}
}

// Goroutines that never call anything: the runtime preempts by signals.
func preemption() {
	var stop int32
	for i := 0; i < 4; i++ {
		go func() {
			x := 0
			for atomic.LoadInt32(&stop) == 0 {
				x++
			}
		}()
	}
	time.Sleep(20 * time.Millisecond)
	runtime.GC()
	atomic.StoreInt32(&stop, 1)
	fmt.Println("preemption")
}

type node struct {
	left, right *node
	value       int
}

func build(depth int) *node {
	if depth == 0 {
		return &node{value: 1}
	}
	return &node{build(depth - 1), build(depth - 1), depth}
}

func (n *node) count() int {
	if n == nil {
		return 0
	}
	return 1 + n.left.count() + n.right.count()
}

func memory() {
	total := 0
	for i := 0; i < 10; i++ {
		total += build(16).count()
	}
	var keep [][]byte
	for i := 0; i < 200; i++ {
		keep = append(keep, make([]byte, 500000))
		keep[i][i] = 1
		if i%20 == 0 {
			keep = keep[:0:0]
			keep = append(keep, make([][]byte, i+1)...)
		}
	}
	runtime.GC()
	debug.FreeOSMemory()
	var ms runtime.MemStats
	runtime.ReadMemStats(&ms)
	fmt.Println("memory", total, ms.NumGC > 0)
	var deep func(n int) int
	deep = func(n int) int {
		var pad [200]int
		if n == 0 {
			return pad[0]
		}
		return deep(n-1) + 1
	}
	fmt.Println("deep", deep(20000))
}

func network() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go func() {
				io.Copy(c, c)
				c.Close()
			}()
		}
	}()
	var wg sync.WaitGroup
	var good int32
	for i := 0; i < 40; i++ {
		wg.Add(1)
		go func(i int) {
			defer wg.Done()
			c, err := net.Dial("tcp", ln.Addr().String())
			if err != nil {
				panic(err)
			}
			defer c.Close()
			buf := make([]byte, 4096)
			for k := 0; k < 20; k++ {
				msg := strings.Repeat(fmt.Sprintf("%d-%d ", i, k), 100)
				c.Write([]byte(msg))
				if _, err := io.ReadFull(c, buf[:len(msg)]); err != nil {
					panic(err)
				}
				if string(buf[:len(msg)]) == msg {
					atomic.AddInt32(&good, 1)
				}
			}
		}(i)
	}
	wg.Wait()
	ln.Close()
	fmt.Println("echo", good)

	srv := &http.Server{Handler: http.HandlerFunc(
		func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "%s %s", r.Method, r.URL.Path)
		})}
	hl, _ := net.Listen("tcp", "127.0.0.1:0")
	go srv.Serve(hl)
	for i := 0; i < 5; i++ {
		resp, err := http.Get(fmt.Sprintf("http://%s/page/%d", hl.Addr(), i))
		if err != nil {
			panic(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		fmt.Println(resp.StatusCode, string(body))
	}
	srv.Close()
	c, err := net.DialTimeout("tcp", ln.Addr().String(), time.Second)
	fmt.Println("refused", c == nil, errors.Is(err, syscall.ECONNREFUSED))
}

func files() {
	os.WriteFile("go.out", []byte("written by go"), 0600)
	data, err := os.ReadFile("go.out")
	fmt.Println("file", string(data), err)
	os.Remove("go.out")
	_, err = os.Stat("go.out")
	fmt.Println("missing", errors.Is(err, os.ErrNotExist))
	names := []string{}
	entries, _ := os.ReadDir("/proc/self")
	for _, e := range entries {
		if e.Name() == "maps" || e.Name() == "status" {
			names = append(names, e.Name())
		}
	}
	sort.Strings(names)
	fmt.Println(names, runtime.NumCPU() >= 1)
	h := sha256.New()
	for i := 0; i < 10000; i++ {
		fmt.Fprintf(h, "%d", i)
	}
	fmt.Printf("%x\n", h.Sum(nil))
}

func signals() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	syscall.Kill(os.Getpid(), syscall.SIGUSR1)
	fmt.Println("signal", <-c)
	defer func() { fmt.Println("recovered", recover() != nil) }()
	var p *node
	fmt.Println(p.value)
}

func main() {
	if len(os.Args) < 2 {
		os.Exit(2)
	}
	switch os.Args[1] {
	case "all":
		// First: with much to sweep, GC gives way to those that spin,
		// once for each span.
		preemption()
		channels()
		locks()
		timers()
		memory()
		network()
		files()
		signals()
	case "channels":
		channels()
	case "memory":
		memory()
	case "signal":
		signals()
	case "programs":
		programs()
	case "exit":
		go func() { os.Exit(13) }()
		select {}
	case "panic":
		panic("on purpose")
	case "nil":
		var p *node
		fmt.Println(p.value)
	}
}
