/* What field values need of memory. */
#ifndef LAB_MEMORY_H
#define LAB_MEMORY_H

#include "state.h"

/* All errors of a type (0 corrected, 1 uncorrected) in a counter (0 volatile, 1 aggregate). */
Code ecc_total(Device device, unsigned type, unsigned counter, Count *errors);

#endif
