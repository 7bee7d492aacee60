#include "interrupts.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <mutex>

namespace ranvier {

int struck = 0;

namespace {

std::mutex lock, asking;
int watching = 0, asked = 0;
bool stopping = false, again = false;
struct sigaction before;

// What of Python's stable interface is needed, found in the process: this library may be loaded without Python.
struct Python {
    int (*is_ready)() = find<int()>("Py_IsInitialized");
    int (*enter)() = find<int()>("PyGILState_Ensure");
    void (*leave)(int) = find<void(int)>("PyGILState_Release");
    int (*check)() = find<int()>("PyErr_CheckSignals");
    void (*clear)() = find<void()>("PyErr_Clear");
    void (*interrupt)() = find<void()>("PyErr_SetInterrupt");
    void* (*import)(const char*) = find<void*(const char*)>("PyImport_ImportModule");
    void* (*get)(void*, const char*) = find<void*(void*, const char*)>("PyObject_GetAttrString");
    void* (*call)(void*, const char*, ...) = find<void*(void*, const char*, ...)>("PyObject_CallFunction");
    void (*drop)(void*) = find<void(void*)>("Py_DecRef");

    template <class Function>
    static Function* find(const char* name) {
        return reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
    }
};

void note(int number, siginfo_t* info, void* context) {
    __atomic_fetch_add(&struck, 1, __ATOMIC_RELAXED);
    if (before.sa_flags & SA_SIGINFO)
        before.sa_sigaction(number, info, context);
    else if (before.sa_handler != SIG_IGN && before.sa_handler != SIG_DFL)
        before.sa_handler(number);
}

// Whether Ctrl-C now means Python's default handler; with Python's lock held.
bool is_default(const Python& python) {
    void* signals = python.import("_signal");
    void* get = signals ? python.get(signals, "getsignal") : nullptr;
    void* standard = signals ? python.get(signals, "default_int_handler") : nullptr;
    void* now = get ? python.call(get, "i", SIGINT) : nullptr;
    const bool same = now != nullptr && now == standard;
    for (void* object : {now, standard, get, signals})
        if (object) python.drop(object);
    python.clear();
    return same;
}

// What Python says, asked from whichever thread this is. In the main thread its handler runs; what that raises is
// swallowed here, and Ctrl-C is pressed once more when the calls are over.
bool ask() {
    static const Python python;
    if (!python.is_ready || !python.is_ready()) return false;
    const int state = python.enter();
    bool stop = false;
    if (python.check() != 0) {
        python.clear();
        stop = again = true;
    } else {
        stop = is_default(python);
    }
    python.leave(state);
    return stop;
}

}  // namespace

Watch::Watch() {
    const std::lock_guard guard(lock);
    if (watching++ > 0) return;
    again = false;
    struct sigaction ours{};
    if (sigaction(SIGINT, nullptr, &before) != 0) return;
    const bool handled =
        (before.sa_flags & SA_SIGINFO) || (before.sa_handler != SIG_IGN && before.sa_handler != SIG_DFL);
    if (!handled) return;
    ours.sa_sigaction = note;
    ours.sa_flags = (before.sa_flags & ~SA_RESETHAND) | SA_SIGINFO;
    ours.sa_mask = before.sa_mask;
    sigaction(SIGINT, &ours, nullptr);
}

Watch::~Watch() {
    const std::lock_guard guard(lock);
    if (--watching > 0) return;
    struct sigaction now{};
    if (sigaction(SIGINT, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == note)
        sigaction(SIGINT, &before, nullptr);
    if (!again) return;
    static const Python python;
    python.interrupt();
}

bool stopped() {
    const std::lock_guard guard(asking);
    const int now = __atomic_load_n(&struck, __ATOMIC_RELAXED);
    if (asked != now) {
        stopping = ask();
        asked = now;
    }
    return stopping;
}

}  // namespace ranvier
