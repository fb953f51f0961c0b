// SPDX-License-Identifier: MIT
// Work.java - what java.sh runs: each part prints what does not depend on time.

import java.io.*;
import java.net.*;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.*;
import java.util.*;
import java.util.concurrent.*;
import java.util.concurrent.atomic.*;
import java.util.stream.*;

public class Work {
	static int fib(int n)
	{
		return n < 2 ? n : fib(n - 1) + fib(n - 2);
	}

	static void compute()
	{
		System.out.println(fib(27));
		long h = 0;
		for (int i = 0; i < 3_000_000; i++)
			h = h * 31 + i;
		System.out.println(h);
		System.out.println(IntStream.range(0, 100000).parallel()
				   .mapToLong(i -> (long)i * i % 7).sum());
		Map<String, Integer> m = new TreeMap<>();
		for (int i = 0; i < 50000; i++)
			m.merge("k" + i % 100, i, Integer::sum);
		System.out.println(m.get("k42"));
	}

	interface Shape { double area(); }

	static void speculation()
	{
		/* The compiler's guesses go wrong: code is thrown away. */
		double sum = 0;
		for (int round = 0; round < 3; round++) {
			final int r = round;
			Shape[] s = new Shape[1000];
			for (int i = 0; i < s.length; i++)
				s[i] = r == 0 ? () -> 1 : r == 1 ? () -> 2
				       : i % 2 == 0 ? () -> 3 : () -> 4;
			for (int k = 0; k < 200; k++)
				for (Shape x : s)
					sum += x.area();
		}
		System.out.println(sum);
		int nulls = 0, bounds = 0, div = 0, overflow = 0;
		int[] a = new int[10];
		for (int i = 0; i < 20000; i++) {
			try {
				Object o = i % 100 == 0 ? null : a;
				o.hashCode();
			} catch (NullPointerException e) {
				nulls++;
			}
			try {
				a[i % 11]++;
			} catch (ArrayIndexOutOfBoundsException e) {
				bounds++;
			}
			try {
				div += 10 / (i % 50);
			} catch (ArithmeticException e) {
				overflow++;
			}
		}
		System.out.println(nulls + " " + bounds + " " + div + " "
				   + overflow);
		try {
			deep(0);
		} catch (StackOverflowError e) {
			System.out.println("stack overflow");
		}
	}

	static int deep(int n)
	{
		return deep(n + 1) + 1;
	}

	static void threads() throws Exception
	{
		ExecutorService pool = Executors.newFixedThreadPool(6);
		List<Future<Integer>> f = new ArrayList<>();
		for (int i = 0; i < 40; i++) {
			final int n = i;
			f.add(pool.submit(() -> fib(10 + n % 10)));
		}
		int sum = 0;
		for (Future<Integer> x : f)
			sum += x.get();
		pool.shutdown();
		System.out.println(sum + " "
				   + pool.awaitTermination(60, TimeUnit.SECONDS));
		final AtomicLong count = new AtomicLong();
		final Object lock = new Object();
		final int[] plain = { 0 };
		Thread[] t = new Thread[8];
		for (int i = 0; i < t.length; i++) {
			t[i] = new Thread(() -> {
				for (int k = 0; k < 2000; k++) {
					count.incrementAndGet();
					synchronized (lock) {
						plain[0]++;
					}
					if (k % 200 == 0)
						Thread.yield();
				}
			});
			t[i].start();
		}
		for (Thread x : t)
			x.join();
		System.out.println(count + " " + plain[0]);
		SynchronousQueue<Integer> q = new SynchronousQueue<>();
		Thread producer = new Thread(() -> {
			try {
				for (int i = 0; i < 2000; i++)
					q.put(i);
			} catch (InterruptedException e) {
				System.out.println("interrupted");
			}
		});
		producer.start();
		long total = 0;
		for (int i = 0; i < 2000; i++)
			total += q.take();
		System.out.println(total);
		Thread sleeper = new Thread(() -> {
			try {
				Thread.sleep(100000);
			} catch (InterruptedException e) {
				System.out.println("woken");
			}
		});
		sleeper.start();
		sleeper.interrupt();
		sleeper.join();
		int traces = 0;
		Thread spin = new Thread(() -> {
			while (!Thread.currentThread().isInterrupted())
				fib(12);
		});
		spin.start();
		for (int i = 0; i < 50; i++)
			traces += spin.getStackTrace().length > 0 ? 1 : 0;
		spin.interrupt();
		spin.join();
		System.out.println(traces > 0);
	}

	static void files() throws Exception
	{
		Path p = Files.createTempFile(Paths.get("."), "java", ".tmp");
		try (FileChannel c = FileChannel.open(p,
				StandardOpenOption.READ,
				StandardOpenOption.WRITE)) {
			ByteBuffer b = c.map(FileChannel.MapMode.READ_WRITE, 0,
					     1 << 16);
			for (int i = 0; i < 1 << 16; i++)
				b.put(i, (byte)(i * 7));
			ByteBuffer d = ByteBuffer.allocateDirect(1 << 16);
			int n = c.read(d, 0);
			int bad = 0;
			for (int i = 0; i < n; i++)
				bad += d.get(i) == (byte)(i * 7) ? 0 : 1;
			System.out.println(n + " " + bad);
		}
		Files.delete(p);
		try (ServerSocket s = new ServerSocket(0, 5,
				InetAddress.getByName("127.0.0.1"))) {
			Thread t = new Thread(() -> {
				try (Socket k = s.accept()) {
					k.getInputStream().transferTo(
						k.getOutputStream());
				} catch (IOException e) {
					System.out.println(e);
				}
			});
			t.start();
			try (Socket k = new Socket("127.0.0.1",
						   s.getLocalPort())) {
				k.getOutputStream().write("echo".getBytes());
				k.shutdownOutput();
				System.out.println(new String(
					k.getInputStream().readAllBytes()));
			}
			t.join();
		}
	}

	static void memory()
	{
		List<byte[]> keep = new ArrayList<>();
		long sum = 0;
		for (int i = 0; i < 40000; i++) {
			byte[] b = new byte[1000 + i % 5000];
			b[i % b.length] = 1;
			if (i % 7 == 0)
				keep.add(b);
			if (keep.size() > 2000)
				keep = new ArrayList<>(keep.subList(1000, 2000));
			sum += b.length;
		}
		System.gc();
		System.out.println(sum + " " + keep.size());
	}

	public static void main(String[] args) throws Exception
	{
		switch (args[0]) {
		case "all":
			compute();
			speculation();
			threads();
			files();
			memory();
			break;
		case "quick":
			System.out.println(fib(20));
			speculation();
			threads();
			break;
		case "memory":
			memory();
			break;
		case "exit":
			System.exit(7);
			break;
		case "hook":
			Runtime.getRuntime().addShutdownHook(new Thread(
				() -> System.out.println("hook")));
			ProcessHandle self = ProcessHandle.current();
			System.out.println(self.isAlive());
			throw new IllegalStateException("said natively, too");
		default:
			System.exit(9);
		}
	}
}
