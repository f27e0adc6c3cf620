/* How an entry point that only reads one key is written down: one line each. */
#ifndef LAB_GETTERS_H
#define LAB_GETTERS_H

#include "state.h"

#define ENTER(device)                        \
    do {                                     \
        Code entered = lab_enter(device);    \
        if (entered != OK) {                 \
            return entered;                  \
        }                                    \
    } while (0)

/* A pointer the caller must give. */
#define NEED(pointer)                        \
    do {                                     \
        if ((pointer) == NULL) {             \
            return INVALID_ARGUMENT;         \
        }                                    \
    } while (0)

#define GET_UNSIGNED(name, key)                       \
    API Code name(Device device, unsigned *value);    \
    API Code name(Device device, unsigned *value) {   \
        ENTER(device);                                \
        return lab_unsigned(device, value, key);      \
    }

#define GET_TWO(name, first_key, second_key)                            \
    API Code name(Device device, unsigned *first, unsigned *second);    \
    API Code name(Device device, unsigned *first, unsigned *second) {   \
        ENTER(device);                                                  \
        Code code = lab_unsigned(device, first, first_key);             \
        return code != OK ? code : lab_unsigned(device, second, second_key); \
    }

#define GET_COUNT(name, key)                          \
    API Code name(Device device, Count *value);       \
    API Code name(Device device, Count *value) {      \
        ENTER(device);                                \
        return lab_count(device, value, key);         \
    }

/* `key` holds %u for the caller's selector. */
#define GET_BY(name, key)                                                    \
    API Code name(Device device, unsigned which, unsigned *value);           \
    API Code name(Device device, unsigned which, unsigned *value) {          \
        ENTER(device);                                                       \
        return lab_unsigned(device, value, key, which);                      \
    }

#define GET_TEXT(name, key)                                              \
    API Code name(Device device, char *text, unsigned size);             \
    API Code name(Device device, char *text, unsigned size) {            \
        ENTER(device);                                                   \
        return lab_text(device, text, size, key);                        \
    }

#endif
