/* The state of the host the library pretends to stand on.
 *
 * One text file, $NVIDIA_LAB_STATE or /run/nvidia-lab/state, holds a line "KEY VALUE" for each thing that is known; `#` begins
 * a comment, of two lines with one key the last one counts. It is read again whenever it has changed, so that a running
 * program sees a fault begin.
 *
 *   driver 580.126.20         the kernel module that is loaded; `none`: no driver (NVML error 9)
 *   gpus 8                    how many GPUs NVML finds
 *   seed gpu001               what the wobble of readings is derived from
 *   frozen 1                  readings do not wobble and counters stand still, at the moment the file was written
 *   init !18                  nvmlInit answers this error
 *   gpu.*.temp 41             a reading of every GPU
 *   gpu.3.temp 88             the reading of one GPU, before the line for all
 *   gpu.3.power !15           the call that asks for it answers this NVML error
 *   gpu.*.temp.jitter 2       how far that number wobbles to either side
 *   gpu.3.lost 1              every call on that GPU answers 15, GPU_IS_LOST
 *   gpu.0.hang 30             every call on that GPU waits so many seconds; 0: until the line is gone. Can be killed
 *   gpu.0.block FILE          every call on that GPU first writes a byte to FILE: on a frozen file system nothing can kill it
 *
 * What no line says is NOT_SUPPORTED. The readings' keys stand at the functions that read them. */
#define _GNU_SOURCE
#include "state.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define DEFAULT_PATH "/run/nvidia-lab/state"
#define MAX_KEY 128
#define HANG_STEP_MS 50
#define WOBBLE_S 8 /* readings turn this often */

typedef struct {
    const char *key, *value;
    size_t order; /* of its line: the last one counts */
} Line;

/* Whoever reads or replaces what the file said holds the lock; nobody keeps a pointer into it afterwards. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char *content;
static Line *lines;
static size_t line_count;
static struct stat seen;
static unsigned users;

#define ONE(n) {n}
#define FOUR(n) ONE(n), ONE(n + 1), ONE(n + 2), ONE(n + 3)
#define SIXTEEN(n) FOUR(n), FOUR(n + 4), FOUR(n + 8), FOUR(n + 12)
const struct lab_device lab_devices[MAX_GPUS] = {SIXTEEN(0), SIXTEEN(16), SIXTEEN(32), SIXTEEN(48)};

/* --- the file ----------------------------------------------------------------------------------------------------- */

static const char *path(void) {
    const char *given = getenv("NVIDIA_LAB_STATE");
    return given != NULL && *given != '\0' ? given : DEFAULT_PATH;
}

static int by_key(const void *a, const void *b) {
    const Line *first = a, *second = b;
    int order = strcmp(first->key, second->key);
    if (order != 0) {
        return order;
    }
    return first->order < second->order ? -1 : 1;
}

static void forget(void) {
    free(content);
    free(lines);
    content = NULL;
    lines = NULL;
    line_count = 0;
    memset(&seen, 0, sizeof seen);
}

/* Everything in an open file; NULL where it cannot be read. To be freed. */
static char *slurp(int file, size_t expected) {
    size_t room = expected + 1, length = 0;
    char *text = malloc(room);
    while (text != NULL) {
        if (length + 1 == room) {
            char *more = realloc(text, room *= 2);
            if (more == NULL) {
                break;
            }
            text = more;
        }
        ssize_t got = read(file, text + length, room - length - 1);
        if (got == 0) {
            text[length] = '\0';
            return text;
        }
        if (got < 0 && errno != EINTR) {
            break;
        }
        length += got > 0 ? (size_t)got : 0;
    }
    free(text);
    return NULL;
}

/* Cut the content into sorted lines, one for each key. */
static void parse(void) {
    size_t most = 1;
    for (const char *at = content; *at != '\0'; at++) {
        most += *at == '\n';
    }
    lines = calloc(most, sizeof *lines);
    if (lines == NULL) {
        forget();
        return;
    }
    size_t found = 0;
    char *rest = content, *line;
    while ((line = strsep(&rest, "\n")) != NULL) {
        char *value = line + strcspn(line, " ");
        if (*line == '#' || *value == '\0' || value == line) {
            continue;
        }
        *value++ = '\0';
        lines[found] = (Line){line, value, found};
        found++;
    }
    qsort(lines, found, sizeof *lines, by_key);
    for (size_t at = 0; at < found; at++) {
        if (at + 1 == found || strcmp(lines[at].key, lines[at + 1].key) != 0) {
            lines[line_count++] = lines[at];
        }
    }
}

static bool unchanged(const struct stat *now) {
    return now->st_ino == seen.st_ino && now->st_dev == seen.st_dev && now->st_size == seen.st_size &&
           now->st_mtim.tv_sec == seen.st_mtim.tv_sec && now->st_mtim.tv_nsec == seen.st_mtim.tv_nsec;
}

/* Bring what we know up to date. The lock is held. */
static void refresh(void) {
    struct stat now;
    if (stat(path(), &now) != 0) {
        forget();
        return;
    }
    if (unchanged(&now)) {
        return;
    }
    forget();
    int file = open(path(), O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        return;
    }
    if (fstat(file, &now) == 0) {
        content = slurp(file, (size_t)now.st_size);
    }
    close(file);
    if (content != NULL) {
        seen = now;
        parse();
    }
}

static const char *find(const char *key) {
    size_t low = 0, high = line_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(lines[middle].key, key);
        if (order == 0) {
            return lines[middle].value;
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

/* The value of a key, valid while the lock is held. */
static const char *look_up(Device device, const char *key) {
    char full[MAX_KEY + 16];
    refresh();
    if (device == NULL) {
        return find(key);
    }
    snprintf(full, sizeof full, "gpu.%u.%s", device->index, key);
    const char *value = find(full);
    if (value == NULL) {
        snprintf(full, sizeof full, "gpu.*.%s", key);
        value = find(full);
    }
    return value;
}

/* --- reading it --------------------------------------------------------------------------------------------------- */

/* The code that stands in a value's place, or OK where it is a value. */
static Code refusal(const char *value) {
    if (value == NULL) {
        return NOT_SUPPORTED;
    }
    if (*value != '!') {
        return OK;
    }
    int code = atoi(value + 1);
    return code > 0 ? (Code)code : UNKNOWN;
}

static Code copy_locked(Device device, char **text, const char *key) {
    pthread_mutex_lock(&lock);
    const char *value = look_up(device, key);
    Code code = refusal(value);
    if (code == OK) {
        *text = strdup(value);
        code = *text != NULL ? OK : UNKNOWN;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

static Code parse_number(const char *value, long long *number) {
    char *end;
    errno = 0;
    /* masks are written in hexadecimal and may use all 64 bits */
    bool mask = strncmp(value, "0x", 2) == 0;
    long long parsed = mask ? (long long)strtoull(value, &end, 16) : strtoll(value, &end, 10);
    if (errno != 0 || end == value || *end != '\0') {
        return UNKNOWN;
    }
    *number = parsed;
    return OK;
}

static Code number_of(Device device, long long *number, const char *key) {
    pthread_mutex_lock(&lock);
    const char *value = look_up(device, key);
    Code code = refusal(value);
    if (code == OK) {
        code = parse_number(value, number);
    }
    pthread_mutex_unlock(&lock);
    return code;
}

/* The key that a format and its arguments make. One that does not fit names nothing. */
static void make_key(char *key, const char *format, va_list arguments) {
    int length = vsnprintf(key, MAX_KEY, format, arguments);
    if (length < 0 || length >= MAX_KEY) {
        *key = '\0';
    }
}

#define KEY(format)                      \
    char key[MAX_KEY];                   \
    va_list arguments;                   \
    va_start(arguments, format);         \
    make_key(key, format, arguments);    \
    va_end(arguments)

Code lab_number(Device device, long long *value, const char *format, ...) {
    KEY(format);
    return number_of(device, value, key);
}

Code lab_unsigned(Device device, unsigned *value, const char *format, ...) {
    KEY(format);
    long long number;
    Code code = value == NULL ? INVALID_ARGUMENT : number_of(device, &number, key);
    if (code == OK) {
        *value = (unsigned)number;
    }
    return code;
}

Code lab_count(Device device, Count *value, const char *format, ...) {
    KEY(format);
    long long number;
    Code code = value == NULL ? INVALID_ARGUMENT : number_of(device, &number, key);
    if (code == OK) {
        *value = (Count)number;
    }
    return code;
}

long long lab_number_or(Device device, long long otherwise, const char *format, ...) {
    KEY(format);
    long long number = otherwise;
    return number_of(device, &number, key) == OK ? number : otherwise;
}

Code lab_copy(Device device, char **text, const char *format, ...) {
    KEY(format);
    return copy_locked(device, text, key);
}

Code lab_answer(const char *text, char *buffer, size_t size) {
    if (buffer == NULL) {
        return INVALID_ARGUMENT;
    }
    size_t length = strlen(text);
    if (length >= size) {
        return INSUFFICIENT_SIZE;
    }
    memcpy(buffer, text, length + 1);
    return OK;
}

Code lab_text(Device device, char *buffer, size_t size, const char *format, ...) {
    KEY(format);
    char *text = NULL;
    Code code = copy_locked(device, &text, key);
    if (code == OK) {
        code = lab_answer(text, buffer, size);
    }
    free(text);
    return code;
}

/* --- time --------------------------------------------------------------------------------------------------------- */

static double seconds(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int64_t lab_now(void) {
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

double lab_uptime(void) {
    double up = seconds(CLOCK_BOOTTIME);
    if (lab_number_or(NULL, 0, "frozen") == 0) {
        return up;
    }
    pthread_mutex_lock(&lock);
    double written = (double)seen.st_mtim.tv_sec + (double)seen.st_mtim.tv_nsec / 1e9;
    pthread_mutex_unlock(&lock);
    double then = up - (seconds(CLOCK_REALTIME) - written);
    /* whole seconds: the two clocks are never read at one moment, and every look must find the same */
    return then > 0 ? (double)((long long)then + 1) : 0;
}

/* FNV-1a over text and numbers, then mixed: neighbours must not be alike. */
static uint64_t hash(const char *text, uint64_t number) {
    uint64_t sum = 0xcbf29ce484222325;
    for (; *text != '\0'; text++) {
        sum = (sum ^ (unsigned char)*text) * 0x100000001b3;
    }
    sum ^= number * 0x9e3779b97f4a7c15;
    sum = (sum ^ sum >> 30) * 0xbf58476d1ce4e5b9;
    sum = (sum ^ sum >> 27) * 0x94d049bb133111eb;
    return sum ^ sum >> 31;
}

/* From -1 to 1 for one turn. */
static double turn(const char *seed, const char *key, unsigned gpu, uint64_t number) {
    uint64_t drawn = hash(seed, hash(key, number * MAX_GPUS + gpu));
    return (double)(drawn >> 11) / (double)(1ULL << 52) - 1;
}

Code lab_wobbling(Device device, long long *value, const char *key) {
    Code code = number_of(device, value, key);
    long long width = lab_number_or(device, 0, "%s.jitter", key);
    bool idle = code == OK && *value == 0; /* nothing runs, nothing wobbles */
    if (code != OK || idle || width == 0 || lab_number_or(NULL, 0, "frozen") != 0) {
        return code;
    }
    char *seed = NULL;
    if (lab_copy(NULL, &seed, "seed") != OK) {
        return OK;
    }
    double now = seconds(CLOCK_REALTIME) / WOBBLE_S;
    uint64_t number = (uint64_t)now;
    double part = now - (double)number;
    double moved = turn(seed, key, device->index, number) * (1 - part) + turn(seed, key, device->index, number + 1) * part;
    free(seed);
    *value += (long long)(moved * (double)width);
    if (*value < 0) {
        *value = 0;
    }
    return OK;
}

/* `energy` (mJ) before the driver was loaded with this boot, and what the GPU has drawn since. */
Code lab_energy(Device device, Count *millijoules) {
    long long before, power;
    Code code = number_of(device, &before, "energy");
    if (code == OK) {
        code = number_of(device, &power, "power");
    }
    if (code == OK && millijoules == NULL) {
        code = INVALID_ARGUMENT;
    }
    if (code == OK) {
        *millijoules = (Count)before + (Count)((double)power * lab_uptime());
    }
    return code;
}

/* --- coming in ---------------------------------------------------------------------------------------------------- */

void lab_open(void) {
    pthread_mutex_lock(&lock);
    users++;
    pthread_mutex_unlock(&lock);
}

Code lab_close(void) {
    pthread_mutex_lock(&lock);
    Code code = users > 0 ? OK : UNINITIALIZED;
    users -= users > 0;
    pthread_mutex_unlock(&lock);
    return code;
}

Code lab_enter_system(void) {
    pthread_mutex_lock(&lock);
    Code code = users > 0 ? OK : UNINITIALIZED;
    pthread_mutex_unlock(&lock);
    return code;
}

static void wait_ms(long milliseconds) {
    struct timespec left = {milliseconds / 1000, milliseconds % 1000 * 1000000};
    while (nanosleep(&left, &left) != 0 && errno == EINTR) {
    }
}

/* A driver that does not answer: for so many seconds, or until the line is gone. */
static void hang(Device device) {
    long long limit = lab_number_or(device, -1, "hang");
    double began = seconds(CLOCK_MONOTONIC);
    while (limit >= 0 && (limit == 0 || seconds(CLOCK_MONOTONIC) - began < (double)limit)) {
        wait_ms(HANG_STEP_MS);
        limit = lab_number_or(device, -1, "hang");
    }
}

/* A call that sits in the kernel: a write to a frozen file system cannot be interrupted. */
static void block(Device device) {
    char *file = NULL;
    if (lab_copy(device, &file, "block") != OK) {
        return;
    }
    int to = open(file, O_WRONLY | O_APPEND | O_CLOEXEC);
    if (to >= 0) {
        while (write(to, "\n", 1) < 0 && errno == EINTR) {
        }
        close(to);
    }
    free(file);
}

Code lab_enter(Device device) {
    Code code = lab_enter_system();
    if (code != OK) {
        return code;
    }
    uintptr_t first = (uintptr_t)lab_devices, at = (uintptr_t)device;
    if (at < first || at >= first + sizeof lab_devices || (at - first) % sizeof *lab_devices != 0) {
        return INVALID_ARGUMENT;
    }
    hang(device);
    block(device);
    char driver[64];
    if (lab_text(NULL, driver, sizeof driver, "driver") != OK || strcmp(driver, "none") == 0) {
        return DRIVER_NOT_LOADED;
    }
    if (device->index >= lab_number_or(NULL, 0, "gpus")) {
        return GPU_IS_LOST;
    }
    return lab_number_or(device, 0, "lost") != 0 ? GPU_IS_LOST : OK;
}
