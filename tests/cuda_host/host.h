// Runs CUDA kernels on a processor: what the text of kernels/*.cuh needs to be host C++17.
//
// The threads of a block are fibers of one thread of the machine. Each runs until a barrier, and
// goes on when all that the barrier waits for have come: the next fiber is resumed in ascending or
// in descending order, so that a barrier that is missing shows as a wrong result in one of the two.
// Shared memory is NaN when a block starts, and what is written beyond its end is noticed.
#pragma once

#define _XOPEN_SOURCE 700
#include <math.h>
#include <setjmp.h>
#include <string.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ static thread_local

namespace host {

const int WARP = 32;
const size_t STACK = 64 * 1024, GUARD = 256;

struct Index {
    unsigned int x;
};

// Fragments that the lanes of a warp bring to a product, where they lie on the lanes' stacks.
struct Fragments {
    double *c;
    const double *a, *b;
};

struct Warp {
    int present = 0, waiting = 0;
    Fragments fragments[WARP];
};

enum State { READY, AT_WARP, AT_BLOCK, DONE };

struct Fiber {
    Index thread;
    State state;
    jmp_buf place;
    ucontext_t context;
    std::unique_ptr<char[]> stack{new char[STACK]};
};

struct Block {
    Index block, threads, blocks;
    std::vector<std::unique_ptr<Fiber>> fibers;  // kept for the next block
    std::vector<Warp> warps;
    std::vector<unsigned char> shared;
    size_t shared_bytes;
    bool any[2];  // of the barrier that is next, and of the one before
    int turn;
    std::function<void()> body;
    Fiber *current;
    jmp_buf scheduler;
};

inline Block &block()
{
    static thread_local Block only;
    return only;
}

inline Warp &warp()
{
    return block().warps[block().current->thread.x / WARP];
}

inline void pause()
{
    // no context is saved by setjmp that takes a system call, as swapcontext does
    if (_setjmp(block().current->place) == 0) {
        _longjmp(block().scheduler, 1);
    }
}

inline void release_warp(Warp &warp)
{
    int first = static_cast<int>(&warp - block().warps.data()) * WARP;
    for (int lane = 0; lane < warp.present; ++lane) {
        block().fibers[first + lane]->state = READY;
    }
    warp.waiting = 0;
}

// Wait for the other lanes; the last that comes does the work first.
template <class Work>
void meet(Work work)
{
    Warp &own = warp();
    if (++own.waiting == own.present) {
        work(own);
        release_warp(own);
        return;
    }
    block().current->state = AT_WARP;
    pause();
}

inline void run_fiber()
{
    block().body();
    block().current->state = DONE;
    _longjmp(block().scheduler, 1);
}

inline void resume(Fiber &fiber, bool first)
{
    block().current = &fiber;
    if (_setjmp(block().scheduler) == 0) {
        if (first) {
            setcontext(&fiber.context);
        }
        _longjmp(fiber.place, 1);
    }
}

inline void begin(Block &block, int threads)
{
    while (static_cast<int>(block.fibers.size()) < threads) {
        block.fibers.emplace_back(new Fiber);
    }
    block.warps.assign((threads + WARP - 1) / WARP, Warp());
    for (int t = 0; t < threads; ++t) {
        Fiber &fiber = *block.fibers[t];
        fiber.thread.x = t;
        fiber.state = READY;
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
        block.warps[t / WARP].present += 1;
    }
    block.any[0] = block.any[1] = false;
    block.turn = 0;
    // all ones is not a number, whether they are read as float or as double
    block.shared.assign(block.shared_bytes + GUARD, 0xff);
}

// Run the fibers of a block until all are done; return what went wrong, or nullptr.
inline const char *run_block(int threads, bool backward)
{
    Block &own = block();
    begin(own, threads);
    bool first = true;
    for (int done = 0; done < threads;) {
        int waiting = 0, ran = 0;
        for (int k = 0; k < threads; ++k) {
            Fiber &fiber = *own.fibers[backward ? threads - 1 - k : k];
            if (fiber.state == READY) {
                ++ran;
                resume(fiber, first);
                done += fiber.state == DONE;
            }
            waiting += fiber.state == AT_BLOCK;
        }
        first = false;
        if (waiting == threads - done) {
            for (int k = 0; k < threads; ++k) {
                Fiber &fiber = *own.fibers[k];
                fiber.state = fiber.state == AT_BLOCK ? READY : fiber.state;
            }
            own.turn = 1 - own.turn;
            own.any[own.turn] = false;
        } else if (ran == 0) {
            return "the threads of a block wait for each other at different barriers";
        }
    }
    for (size_t k = own.shared_bytes; k < own.shared.size(); ++k) {
        if (own.shared[k] != 0xff) {
            return "a block wrote beyond the end of its shared memory";
        }
    }
    return nullptr;
}

// One letter for a number and two for a pointer: what a kernel takes, to be held against a launch.
template <class Type>
std::string letters()
{
    if (std::is_pointer<Type>::value) {
        return "*" + letters<std::remove_cv_t<std::remove_pointer_t<Type>>>();
    }
    return std::is_same<Type, double>::value               ? "d"
           : std::is_same<Type, float>::value              ? "f"
           : std::is_same<Type, long long>::value          ? "q"
           : std::is_same<Type, unsigned long long>::value ? "Q"
                                                           : "?";
}

struct Kernel {
    std::string signature;
    std::function<void(void **)> call;
};

inline std::map<std::string, Kernel> &kernels()
{
    static std::map<std::string, Kernel> all;
    return all;
}

template <class... Types, size_t... Places>
void call(void (*kernel)(Types...), void **arguments, std::index_sequence<Places...>)
{
    kernel(*static_cast<std::remove_cv_t<Types> *>(arguments[Places])...);
}

template <class... Types>
int add(const char *name, void (*kernel)(Types...))
{
    std::string signature;
    for (const std::string &type : std::vector<std::string>{letters<Types>()...}) {
        signature += type;
    }
    kernels()[name] = Kernel{signature, [kernel](void **arguments) {
                                 call(kernel, arguments, std::index_sequence_for<Types...>());
                             }};
    return 0;
}

}  // namespace host

#define threadIdx (host::block().current->thread)
#define blockIdx (host::block().block)
#define blockDim (host::block().threads)
#define gridDim (host::block().blocks)

inline void __syncthreads()
{
    host::block().current->state = host::AT_BLOCK;
    host::pause();
}

// Wait for the others; whether the condition is true in any thread.
inline bool __syncthreads_or(bool condition)
{
    host::Block &block = host::block();
    int turn = block.turn;
    block.any[turn] = block.any[turn] || condition;
    __syncthreads();
    return block.any[turn];
}

inline void __syncwarp()
{
    host::meet([](host::Warp &) {});
}

inline int min(int a, int b)
{
    return a < b ? a : b;
}

inline int max(int a, int b)
{
    return a > b ? a : b;
}

inline int __popcll(unsigned long long word)
{
    return __builtin_popcountll(word);
}

// The bits of a number, or the lower half of them.
inline int __double2loint(double value)
{
    int result;
    memcpy(&result, &value, sizeof result);  // of a machine that stores the lower half first
    return result;
}

inline int __float_as_int(float value)
{
    int result;
    memcpy(&result, &value, sizeof result);
    return result;
}

extern "C" {

// What a kernel takes, or nullptr where there is none of that name.
const char *signature(const char *name)
{
    auto found = host::kernels().find(name);
    return found == host::kernels().end() ? nullptr : found->second.signature.c_str();
}

// Launch a kernel, as cuLaunchKernel does; return what went wrong, or nullptr.
const char *run(const char *name, long long grid, long long threads, long long shared,
                bool backward, void **arguments)
{
    auto found = host::kernels().find(name);
    if (found == host::kernels().end()) {
        return "there is no such kernel";
    }
    host::Block &block = host::block();
    block.threads.x = static_cast<unsigned int>(threads);
    block.blocks.x = static_cast<unsigned int>(grid);
    block.shared_bytes = static_cast<size_t>(shared);
    block.body = [&] { found->second.call(arguments); };
    for (long long b = 0; b < grid; ++b) {
        block.block.x = static_cast<unsigned int>(backward ? grid - 1 - b : b);
        const char *error = host::run_block(static_cast<int>(threads), backward);
        if (error != nullptr) {
            return error;
        }
    }
    return nullptr;
}
}
