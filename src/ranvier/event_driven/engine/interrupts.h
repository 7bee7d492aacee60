// Ctrl-C during a call: a KeyboardInterrupt where Python waits for the call, and the call ends soon.
//
// Python's own handler only notes that Ctrl-C was pressed, and what is to happen is decided by the main thread in
// Python code: so a call first asks it, if it is the main thread that calls. Else the main thread waits for the call
// outside of Python, and the call ends early if Python's default handler is set, which will raise a KeyboardInterrupt.
#pragma once

namespace ranvier {

// While one lives, Ctrl-C is noted here before it is passed on.
class Watch {
public:
    Watch();
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
};

// How often Ctrl-C was pressed during calls.
extern int struck;

// Whether the calls that ran at the latest of them are to end early; asks Python once for each.
bool stopped();

}  // namespace ranvier
