// The handlers that XLA calls: arrays, attributes and threads of XLA become a `Call`. Nothing else knows XLA.
#include <exception>
#include <string>
#include <string_view>

#include "call.h"
#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;

ffi::Error invalid(const std::string& what) { return ffi::Error::InvalidArgument("ranvier: " + what); }

ranvier::View view(const ffi::AnyBuffer& buffer) {
    const auto dimensions = buffer.dimensions();
    return {buffer.untyped_data(), dimensions.begin(), static_cast<int64_t>(dimensions.size())};
}

void schedule(void* pool, void (*task)(void*), void* argument) {
    static_cast<ffi::ThreadPool*>(pool)->Schedule([task, argument] { task(argument); });
}

ffi::Error run(bool backward, ffi::ThreadPool pool, ffi::Span<const int64_t> plan, ffi::Span<const double> numbers,
               ffi::RemainingArgs arguments, ffi::RemainingRets results) {
    const size_t inputs = backward ? ranvier::INPUTS : ranvier::STATUS + 1;
    const size_t outputs = backward ? size_t{ranvier::GRADIENTS} : size_t{ranvier::OUTPUTS};
    if (arguments.size() != inputs || results.size() != outputs)
        return invalid(std::to_string(arguments.size()) + " arrays in and " + std::to_string(results.size()) +
                       " out; this library takes other ones. Install ranvier anew.");
    ranvier::Call call{};
    for (size_t at = 0; at < inputs; ++at) {
        const auto buffer = arguments.get<ffi::AnyBuffer>(at);
        if (!buffer) return buffer.error();
        if (at == 0) call.wide = buffer->element_type() == ffi::DataType::F64;
        call.in[at] = view(*buffer);
    }
    for (size_t at = 0; at < outputs; ++at) {
        ffi::ErrorOr<ffi::Result<ffi::AnyBuffer>> buffer = results.get<ffi::AnyBuffer>(at);
        if (!buffer) return buffer.error();
        call.out[at] = view(**buffer);
    }
    call.backward = backward;
    call.plan = plan.begin();
    call.numbers = numbers.begin();
    call.workers = {pool.num_threads(), &pool, schedule};
    try {
        ranvier::run(call);
    } catch (const std::exception& error) {
        return ffi::Error::Internal(std::string("ranvier: ") + error.what());
    }
    return ffi::Error::Success();
}

template <bool backward>
ffi::Error handle(ffi::ThreadPool pool, ffi::Span<const int64_t> plan, ffi::Span<const double> numbers,
                  ffi::RemainingArgs arguments, ffi::RemainingRets results) {
    return run(backward, pool, plan, numbers, arguments, results);
}

auto binding() {
    return ffi::Ffi::Bind()
        .Ctx<ffi::ThreadPool>()
        .Attr<ffi::Span<const int64_t>>("plan")
        .Attr<ffi::Span<const double>>("numbers")
        .RemainingArgs()
        .RemainingRets();
}

// An error, when a program comes here: line `code` of `sentences`.
ffi::Error refuse(ffi::BufferR0<ffi::S32> code, std::string_view sentences, ffi::RemainingRets /*results*/) {
    for (int32_t line = *code.typed_data(); line > 0; --line) sentences.remove_prefix(sentences.find('\n') + 1);
    return ffi::Error(ffi::ErrorCode::kFailedPrecondition, std::string(sentences.substr(0, sentences.find('\n'))));
}

}  // namespace

extern "C" {
__attribute__((visibility("default"))) XLA_FFI_Error* ranvier_forward(XLA_FFI_CallFrame*);
__attribute__((visibility("default"))) XLA_FFI_Error* ranvier_backward(XLA_FFI_CallFrame*);
__attribute__((visibility("default"))) XLA_FFI_Error* ranvier_refuse(XLA_FFI_CallFrame*);
}

XLA_FFI_DEFINE_HANDLER_SYMBOL(ranvier_forward, handle<false>, binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(ranvier_backward, handle<true>, binding());
XLA_FFI_DEFINE_HANDLER_SYMBOL(
    ranvier_refuse, refuse,
    ffi::Ffi::Bind().Arg<ffi::BufferR0<ffi::S32>>().Attr<std::string_view>("sentences").RemainingRets());
