// Backward: windows in which a neuron was interrupted by boundaries: a spike, a restart, a record.
//
// Its adjoint jumps there, so what it is at the window's end does not say what an arrival is owed. Such a window is
// kept in pieces, from boundary to boundary, each with the adjoint that there would be at the window's end if nothing
// came after the piece: an arrival then reads it as any other does. The ring holds MARK (gather.h), and a sender that
// meets it looks up the piece in which its event arrived.
#pragma once

#include "../network/tables.h"
#include "../physics/tangent.h"

namespace ranvier::RANVIER_LEVEL {

// From offset `start` on, with the adjoint carried on to the window's end, and its tangent if that is wanted. `before`:
// the piece before it, -1 if it is the window's first. `other`: that of another neuron of the population, -1 at the
// end; `unit`: its neuron.
struct Piece {
    double start;
    Adjoint end;
    Tangent tangent;
    int32_t before, other, unit;
};

// Pieces of one sample. `latest` (span x neurons): the latest piece of a neuron in a window, -1 if it was not
// interrupted. `head` (span x populations): one of those in a population.
struct Pieces {
    Array<Piece> piece;
    Array<int32_t> latest, head;
    int32_t used = 0;

    // At most two pieces for each spike, restart and record; a peak may be two records.
    Pieces(const Plan& plan, const Clock& clock)
        : piece(2 * (2 * (plan.places - plan.input_places) + plan.record_times * plan.widest + 2 * plan.peaks) + 1),
          latest(clock.span * plan.neurons),
          head(clock.span * plan.populations) {}

    // Of the last sample, everything.
    void forget() {
        latest.fill(-1);
        head.fill(-1);
        used = 0;
    }

    // A new piece.
    int32_t begin() {
        piece[used].before = -1;
        return used++;
    }

    // Begin the latest piece of a neuron, which is `unit` of its population (at `place`, in this window).
    int32_t interrupt(int64_t place, int64_t neuron, int32_t unit) {
        const int32_t made = begin();
        latest[neuron] = made;
        piece[made].unit = unit;
        piece[made].other = head[place];
        head[place] = made;
        return made;
    }

    // The piece, from `at` back, in which an arrival at `offset` lies; one at a boundary comes after it.
    const Piece& holding(int32_t at, double offset) const {
        while (piece[at].start > offset && piece[at].before >= 0) at = piece[at].before;
        return piece[at];
    }
};

}  // namespace ranvier::RANVIER_LEVEL
