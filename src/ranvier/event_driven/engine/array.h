// Room to work in: owned, set to one value at first, freed with its owner. Nothing of the standard library's templates
// is used in code that is compiled per vector level, for the linker keeps only one copy of those.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#ifdef __linux__
#include <sys/mman.h>
#endif

#include "physics/device.h"

namespace ranvier::RANVIER_LEVEL {

// Memory that is used all over, a row here and a row there, is found sooner where its pages are large.
enum class Pages { USUAL, LARGE };
constexpr size_t LARGE_PAGE = size_t{1} << 21;

inline void* zeros(size_t bytes, Pages pages) {
    void* room = nullptr;
#ifdef MADV_HUGEPAGE
    if (pages == Pages::LARGE && bytes >= LARGE_PAGE) {
        if (posix_memalign(&room, LARGE_PAGE, bytes) != 0) throw std::bad_alloc();
        madvise(room, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE);  // where the system refuses, pages stay usual
        return memset(room, 0, bytes);
    }
#endif
    room = calloc(bytes, 1);
    if (room == nullptr) throw std::bad_alloc();
    return room;
}

// Numbers that are not copied: `Array<T> a(count)` is zeros.
template <class T>
class Array {
public:
    Array() = default;
    explicit Array(int64_t count, Pages pages = Pages::USUAL)
        : size_(count), data_(static_cast<T*>(zeros(static_cast<size_t>(count > 0 ? count : 1) * sizeof(T), pages))) {}
    Array(int64_t count, T value) : Array(count) { fill(value); }
    ~Array() { free(data_); }
    Array(const Array&) = delete;
    Array& operator=(const Array&) = delete;
    Array(Array&& other) noexcept : size_(other.size_), data_(other.data_) { other.data_ = nullptr; }
    Array& operator=(Array&& other) noexcept {
        if (this == &other) return *this;
        free(data_);
        size_ = other.size_;
        data_ = other.data_;
        other.data_ = nullptr;
        return *this;
    }

    operator T*() { return data_; }
    operator const T*() const { return data_; }
    int64_t size() const { return size_; }

    void fill(T value) {
        for (int64_t i = 0; i < size_; ++i) data_[i] = value;
    }

private:
    int64_t size_ = 0;
    T* data_ = nullptr;
};

}  // namespace ranvier::RANVIER_LEVEL
