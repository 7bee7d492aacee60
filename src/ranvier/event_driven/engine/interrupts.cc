#include "interrupts.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>

#include <atomic>
#include <mutex>

namespace ranvier {

int struck = 0;

namespace {

std::mutex lock, asking;
int watching = 0, asked = 0;
bool stopping = false;
std::atomic<bool> again = false;
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
// swallowed here, and Ctrl-C is pressed once more when the call is over: a handler that raises is called twice. The
// handler is looked at before it runs, for it may put another in its place.
bool ask() {
    static const Python python;
    if (!python.is_ready || !python.is_ready()) return false;
    const int state = python.enter();
    bool stop = is_default(python);
    if (python.check() != 0) {
        python.clear();
        stop = again = true;
    }
    python.leave(state);
    return stop;
}

// Note Ctrl-C here first, unless that is so or nobody handles it; with `lock` held.
void install() {
    struct sigaction now{}, ours{};
    if (sigaction(SIGINT, nullptr, &now) != 0) return;
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == note) return;
    if (!(now.sa_flags & SA_SIGINFO) && (now.sa_handler == SIG_IGN || now.sa_handler == SIG_DFL)) return;
    before = now;
    ours.sa_sigaction = note;
    ours.sa_flags = (now.sa_flags & ~SA_RESETHAND) | SA_SIGINFO;
    ours.sa_mask = now.sa_mask;
    sigaction(SIGINT, &ours, nullptr);
}

}  // namespace

Watch::Watch() {
    const std::lock_guard guard(lock);
    ++watching;
    install();
}

Watch::~Watch() {
    const std::lock_guard guard(lock);
    static const Python python;
    if (again.exchange(false)) python.interrupt();  // Python only takes it down: its handler runs in Python code
    if (--watching > 0) return;
    struct sigaction now{};
    if (sigaction(SIGINT, nullptr, &now) == 0 && (now.sa_flags & SA_SIGINFO) && now.sa_sigaction == note)
        sigaction(SIGINT, &before, nullptr);
}

bool stopped() {
    const std::lock_guard guard(asking);
    const int now = __atomic_load_n(&struck, __ATOMIC_RELAXED);
    if (asked != now) {
        stopping = ask();
        asked = now;
        const std::lock_guard installing(lock);
        if (watching > 0) install();  // Python's signal.signal in a handler has put Python's own in place of ours
    }
    return stopping;
}

}  // namespace ranvier
