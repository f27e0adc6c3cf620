/* What the library knows of the host it pretends to stand on: one text file, read again whenever it changes. */
#ifndef LAB_STATE_H
#define LAB_STATE_H

#include <stdbool.h>

#include "nvml.h"

#define MAX_GPUS 64

struct lab_device {
    unsigned index;
};

/* Every GPU there can be; a handle points into it. */
extern const struct lab_device lab_devices[MAX_GPUS];

/* Whether an application has the library initialised. */
void lab_open(void);
Code lab_close(void);

/* Before anything of a call: UNINITIALIZED, INVALID_ARGUMENT for what is no handle, DRIVER_NOT_LOADED, GPU_IS_LOST. A GPU that
 * hangs keeps the caller here. */
Code lab_enter(Device device);
Code lab_enter_system(void);

/* The value of a key, of a GPU or (device NULL) of the system. NOT_SUPPORTED where there is no such line, the code where it
 * says `!CODE`, UNKNOWN where it is no number. Nothing is stored unless OK is answered. */
Code lab_number(Device device, long long *value, const char *key, ...) __attribute__((format(printf, 3, 4)));
Code lab_unsigned(Device device, unsigned *value, const char *key, ...) __attribute__((format(printf, 3, 4)));
Code lab_count(Device device, Count *value, const char *key, ...) __attribute__((format(printf, 3, 4)));
long long lab_number_or(Device device, long long otherwise, const char *key, ...) __attribute__((format(printf, 3, 4)));

/* As lab_number, moved by as much as the line KEY.jitter says, slowly and never below zero; zero stays zero. */
Code lab_wobbling(Device device, long long *value, const char *key);

/* Text into a caller's buffer (INSUFFICIENT_SIZE when it is too small), or as a copy to be freed. */
Code lab_text(Device device, char *text, size_t size, const char *key, ...) __attribute__((format(printf, 4, 5)));
Code lab_copy(Device device, char **text, const char *key, ...) __attribute__((format(printf, 3, 4)));

/* Text we hold ourselves into a caller's buffer. */
Code lab_answer(const char *text, char *buffer, size_t size);

/* Seconds since the host booted, and as the counters have it: they stand still where the state is frozen. */
double lab_uptime(void);
Code lab_energy(Device device, Count *millijoules);

/* Microseconds since 1970, as NVML stamps samples. */
int64_t lab_now(void);

#endif
