// SPDX-License-Identifier: MIT
//
// cxx.cc - C++: exceptions across frames and threads, thread_local with
// destructors, iostreams, the standard containers, async and atomics.
//
// cflags: -std=c++17
#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <future>
#include <iostream>
#include <map>
#include <mutex>
#include <numeric>
#include <sstream>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static int count;
static bool failed;

static void ok(bool good, const char *name)
{
	failed = failed || !good;
	std::cout << (good ? "" : "not ") << "ok " << ++count << " - " << name
		  << std::endl;
}

static std::atomic<int> destroyed;

struct local {
	int value = 5;
	~local()
	{
		destroyed++;
	}
};

static thread_local local per_thread;

static int deep(int n)
{
	std::string guard(100, 'x');

	if (n == 0)
		throw std::runtime_error("from the deep");
	return deep(n - 1) + (int)guard.size();
}

static void check_exceptions()
{
	int caught = 0;

	for (int i = 0; i < 1000; i++)
		try {
			deep(i % 50);
		} catch (const std::exception &e) {
			caught += std::string(e.what()) == "from the deep";
		}
	ok(caught == 1000, "exceptions unwind");
	auto f = std::async(std::launch::async, [] { return deep(3); });
	try {
		f.get();
		ok(false, "an exception crosses threads");
	} catch (const std::runtime_error &) {
		ok(true, "an exception crosses threads");
	}
	try {
		std::vector<int> v(3);
		v.at(7) = 1;
	} catch (const std::out_of_range &) {
		ok(true, "the library's own exceptions");
	}
	try {
		std::vector<char> big((size_t)1 << 46);
		ok(big.empty(), "bad_alloc");
	} catch (const std::bad_alloc &) {
		ok(true, "bad_alloc");
	}
}

static void check_threads()
{
	std::vector<std::thread> threads;
	std::map<int, int> shared;
	std::mutex m;

	for (int i = 0; i < 16; i++)
		threads.emplace_back([&, i] {
			per_thread.value += i;
			for (int k = 0; k < 100; k++) {
				std::lock_guard<std::mutex> lock(m);
				shared[k] += per_thread.value - 5;
			}
		});
	for (auto &t : threads)
		t.join();
	ok(std::all_of(shared.begin(), shared.end(),
		       [](auto &p) { return p.second == 120; }),
	   "sixteen threads and a map");
	ok(destroyed == 16, "thread_local destructors ran");
	ok(per_thread.value == 5, "the main thread has its own");
}

static void check_async()
{
	std::vector<std::future<long>> f;
	long sum = 0;

	for (int i = 0; i < 8; i++)
		f.push_back(std::async(std::launch::async, [i] {
			std::vector<long> v(100000);

			std::iota(v.begin(), v.end(), i);
			return std::accumulate(v.begin(), v.end(), 0L);
		}));
	for (auto &x : f)
		sum += x.get();
	ok(sum == 8 * (99999L * 100000 / 2) + 28 * 100000L, "async sums");
}

static void check_waiting()
{
	std::mutex m;
	std::condition_variable cv;
	bool ready = false;
	auto start = std::chrono::steady_clock::now();
	std::unique_lock<std::mutex> lock(m);

	ok(!cv.wait_for(lock, std::chrono::milliseconds(20),
			[&] { return ready; }),
	   "wait_for ends");
	ok(std::chrono::steady_clock::now() - start >=
	       std::chrono::milliseconds(20),
	   "not too early");
	std::thread t([&] {
		std::lock_guard<std::mutex> l(m);
		ready = true;
		cv.notify_all();
	});
	cv.wait(lock, [&] { return ready; });
	lock.unlock();
	t.join();
	ok(true, "notified");
}

int main()
{
	std::ostringstream s;

	check_exceptions();
	check_threads();
	check_async();
	check_waiting();
	s << 3.25 << " " << std::hex << 255;
	ok(s.str() == "3.25 ff", "streams");
	std::cout << "1.." << count << std::endl;
	return failed;
}
