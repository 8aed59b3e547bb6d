// Runs CUDA kernels on a processor: what the text of kernels/*.cuh needs to be host C++17.
#pragma once

#include "fibers.h"

#include <math.h>
#include <string.h>

#include <atomic>
#include <map>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __align__(bytes) alignas(bytes)
#define __shared__ static thread_local

namespace host {

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
           : std::is_class<Type>::value ? "{" + std::to_string(sizeof(Type)) + "}"
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

inline unsigned long long atomicAdd(unsigned long long *number, unsigned long long more)
{
    return __atomic_fetch_add(number, more, __ATOMIC_RELAXED);
}

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

// Whether a condition is true in any lane of the warp.
inline bool __any_sync(unsigned int, bool condition)
{
    host::warp().any[threadIdx.x % host::WARP] = condition;
    __syncwarp();
    bool result = false;
    for (int lane = 0; lane < host::warp().present; ++lane) {
        result = result || host::warp().any[lane];
    }
    __syncwarp();  // the other lanes' conditions last until all have read
    return result;
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

inline int __double2hiint(double value)
{
    long long bits;
    memcpy(&bits, &value, sizeof bits);
    return static_cast<int>(bits >> 32);
}

inline double __hiloint2double(int upper, int lower)
{
    const unsigned long long bits = static_cast<unsigned long long>(static_cast<unsigned int>(upper)) << 32 |
                                    static_cast<unsigned int>(lower);
    double result;
    memcpy(&result, &bits, sizeof result);
    return result;
}

inline int __float_as_int(float value)
{
    int result;
    memcpy(&result, &value, sizeof result);
    return result;
}

namespace host {

// What all lanes have brought, at once: the largest part of what tests of such products take.
__attribute__((optimize("O3"), noinline)) inline void multiply_all_bytes(Warp &warp)
{
    short left[16][32], right[8][32];
    for (int k = 0; k < 32; ++k) {
        const int t = k % 16 / 4;
        for (int row = 0; row < 16; ++row) {
            left[row][k] = warp.of_bytes[row % 8 * 4 + t].a[(row / 8 + k / 16 * 2) * 4 + k % 4];
        }
        for (int column = 0; column < 8; ++column) {
            right[column][k] = warp.of_bytes[column * 4 + t].b[k / 16 * 4 + k % 4];
        }
    }
    for (int row = 0; row < 16; ++row) {
        for (int column = 0; column < 8; ++column) {
            int total = 0;
            for (int k = 0; k < 32; ++k) {
                total += left[row][k] * right[column][k];
            }
            int &sum = warp.of_bytes[row % 8 * 4 + column / 2].c[row / 8 * 2 + column % 2];
            // which wraps around
            sum = static_cast<int>(static_cast<unsigned int>(sum) + static_cast<unsigned int>(total));
        }
    }
}

// c += a b of signed bytes, for a warp: the fragments of mma.m16n8k32 as the PTX ISA has them.
inline void multiply_bytes(int *c, const unsigned int *a, const unsigned int *b)
{
    // of a machine that stores the first byte of a word first
    warp().of_bytes[threadIdx.x % WARP] = ByteFragments{
        c, reinterpret_cast<const signed char *>(a), reinterpret_cast<const signed char *>(b)};
    meet(multiply_all_bytes);
}

}  // namespace host

extern "C" {

// What a kernel takes, or nullptr where there is none of that name.
const char *signature(const char *name)
{
    auto found = host::kernels().find(name);
    return found == host::kernels().end() ? nullptr : found->second.signature.c_str();
}

// Launch a kernel, as cuLaunchKernel does; return what went wrong, or nullptr. The blocks run one
// after the other, or in so many threads.
const char *run(const char *name, long long grid, long long threads, long long shared,
                bool backward, long long at_once, void **arguments)
{
    auto found = host::kernels().find(name);
    if (found == host::kernels().end()) {
        return "there is no such kernel";
    }
    std::atomic<long long> next(0);
    std::atomic<const char *> error(nullptr);
    auto work = [&] {
        host::Block &block = host::block();
        block.threads.x = static_cast<unsigned int>(threads);
        block.blocks.x = static_cast<unsigned int>(grid);
        block.shared_bytes = static_cast<size_t>(shared);
        block.body = [&] { found->second.call(arguments); };
        for (long long b = next++; b < grid && error == nullptr; b = next++) {
            block.block.x = static_cast<unsigned int>(backward ? grid - 1 - b : b);
            const char *wrong = host::run_block(static_cast<int>(threads), backward);
            if (wrong != nullptr) {
                error = wrong;
            }
        }
    };
    if (at_once <= 1) {
        work();
        return error;
    }
    std::vector<std::thread> workers;
    for (long long k = 0; k < at_once; ++k) {
        workers.emplace_back(work);
    }
    for (std::thread &worker : workers) {
        worker.join();
    }
    return error;
}
}
