// Room to work in: owned, set to one value at first, freed with its owner. Nothing of the standard library's templates
// is used in code that is compiled per vector level, for the linker keeps only one copy of those.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

#include "physics/device.h"

namespace ranvier::RANVIER_LEVEL {

// Numbers that are not copied: `Array<T> a(count)` is zeros.
template <class T>
class Array {
public:
    Array() = default;
    explicit Array(int64_t count) : size_(count), data_(static_cast<T*>(calloc(count > 0 ? count : 1, sizeof(T)))) {
        if (data_ == nullptr) throw std::bad_alloc();
    }
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
