// The threads of a block as fibers of one thread of the machine.
//
// Each runs until a barrier, and goes on when all that the barrier waits for have come. A warp runs
// as far ahead of the others as barriers of the block let it, in ascending or in descending order of
// warps and lanes, so that a barrier that is missing shows as a wrong result in one of the two.
// Shared memory is NaN when a block starts, and what is written beyond its end is noticed.
#pragma once

#define _XOPEN_SOURCE 700
#include <setjmp.h>
#include <ucontext.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <vector>

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

// The same of products of bytes.
struct ByteFragments {
    int *c;
    const signed char *a, *b;
};

struct Warp {
    int present = 0, waiting = 0;
    Fragments fragments[WARP];
    ByteFragments of_bytes[WARP];
    bool any[WARP];
};

enum State { READY, AT_WARP, AT_BLOCK, DONE };

// A copy of two numbers that is on its way: it may end at any time until it is waited for.
struct Copy {
    double *to;
    const double *from;
};

struct Fiber {
    Index thread;
    State state;
    bool begun;
    std::vector<Copy> copies;
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
    bool astray;  // two numbers were written at once, and not on a multiple of their bytes
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

// End all copies of this thread, which are as late as they may be.
inline void wait_for_copies()
{
    std::vector<Copy> &copies = block().current->copies;
    for (const Copy &copy : copies) {
        copy.to[0] = copy.from[0];
        copy.to[1] = copy.from[1];
    }
    copies.clear();
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

inline void resume(Fiber &fiber)
{
    block().current = &fiber;
    if (_setjmp(block().scheduler) == 0) {
        if (!fiber.begun) {
            fiber.begun = true;
            setcontext(&fiber.context);
        }
        _longjmp(fiber.place, 1);
    }
}

// Run the fibers of a warp until all of them wait for the block, or are done; return how many ran.
inline int run_warp(Block &block, int warp, int present, bool backward)
{
    int total = 0;
    for (int ran = 1; ran > 0; total += ran) {
        ran = 0;
        for (int k = 0; k < present; ++k) {
            Fiber &fiber = *block.fibers[warp * WARP + (backward ? present - 1 - k : k)];
            if (fiber.state == READY) {
                ++ran;
                resume(fiber);
            }
        }
    }
    return total;
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
        fiber.begun = false;
        fiber.copies.clear();
        getcontext(&fiber.context);
        fiber.context.uc_stack.ss_sp = fiber.stack.get();
        fiber.context.uc_stack.ss_size = STACK;
        fiber.context.uc_link = nullptr;
        makecontext(&fiber.context, run_fiber, 0);
        block.warps[t / WARP].present += 1;
    }
    block.any[0] = block.any[1] = false;
    block.turn = 0;
    block.astray = false;
    // all ones is not a number, whether they are read as float or as double
    block.shared.assign(block.shared_bytes + GUARD, 0xff);
}

// Run the fibers of a block until all are done; return what went wrong, or nullptr.
inline const char *run_block(int threads, bool backward)
{
    Block &own = block();
    begin(own, threads);
    const int warps = static_cast<int>(own.warps.size());
    for (int done = 0; done < threads;) {
        int waiting = 0, ran = 0;
        for (int k = 0; k < warps; ++k) {
            const int warp = backward ? warps - 1 - k : k;
            ran += run_warp(own, warp, own.warps[warp].present, backward);
        }
        done = 0;
        for (int k = 0; k < threads; ++k) {
            done += own.fibers[k]->state == DONE;
            waiting += own.fibers[k]->state == AT_BLOCK;
        }
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
    if (own.astray) {
        return "a block wrote two numbers across their boundary";
    }
    for (size_t k = own.shared_bytes; k < own.shared.size(); ++k) {
        if (own.shared[k] != 0xff) {
            return "a block wrote beyond the end of its shared memory";
        }
    }
    return nullptr;
}

}  // namespace host
