/* The bytes that one side of a connection pushes, and whether the other side
 * gets exactly these. SPDX-License-Identifier: BSD-3-Clause */
#include "wire.h"

#include <string.h>

void wire_init(struct wire *wire)
{
    wire->place_count = 1;
}

unsigned wire_add(struct wire *wire, size_t len, bool open)
{
    if (wire->count == SEGMENTS)
        return SEGMENTS;
    wire->segments[wire->count] = (struct segment){len, open};
    return wire->count++;
}

/* There are few letters; the terminators are made of them as well. */
static uint8_t wire_byte(unsigned segment, size_t at)
{
    uint32_t mixed = (segment * 977 + (uint32_t)at) * 2654435761u;
    return (uint8_t) "aab\r\nab\n"[mixed >> 29];
}

void wire_fill(uint8_t *bytes, unsigned segment, size_t at, size_t len)
{
    for (size_t i = 0; i < len; i++)
        bytes[i] = wire_byte(segment, at + i);
}

void wire_grow(struct wire *wire, unsigned segment, size_t len)
{
    if (wire->segments[segment].open)
        wire->segments[segment].len += len;
}

void wire_end(struct wire *wire, unsigned segment)
{
    wire->segments[segment].open = false;
}

void wire_cut(struct wire *wire)
{
    for (unsigned i = 0; i < wire->count; i++)
        wire->segments[i].open = false;
    wire->cut[wire->count] = true;
    wire->cuts = true;
}

/* Skips finished segments, up to the next byte. */
static struct place wire_next(const struct wire *wire, struct place place)
{
    while (place.segment < wire->count &&
           place.at == wire->segments[place.segment].len &&
           !wire->segments[place.segment].open) {
        place.segment++;
        place.at = 0;
    }
    return place;
}

/* Steps from a place over one byte, if it is this byte. */
static void wire_step(struct wire *wire, struct place place, uint8_t byte)
{
    place = wire_next(wire, place);
    if (place.segment == wire->count ||
        place.at == wire->segments[place.segment].len ||
        wire_byte(place.segment, place.at) != byte)
        return;
    place.at++;
    for (unsigned i = 0; i < wire->place_count; i++)
        if (wire->places[i].segment == place.segment &&
            wire->places[i].at == place.at)
            return;
    if (wire->place_count == PLACES)
        wire->lost = true;
    else
        wire->places[wire->place_count++] = place;
}

static void wire_take(struct wire *wire, uint8_t byte)
{
    struct place old[PLACES];
    unsigned count = wire->place_count;
    memcpy(old, wire->places, count * sizeof old[0]);
    wire->place_count = 0;
    for (unsigned i = 0; i < count; i++) {
        struct place place = old[i];
        wire_step(wire, place, byte);
        if (!wire->cuts)
            continue;
        for (unsigned cut = place.segment + 1; cut <= wire->count; cut++)
            if (wire->cut[cut])
                wire_step(wire, (struct place){cut, 0}, byte);
    }
}

bool wire_got(struct wire *wire, const void *data, size_t len)
{
    for (size_t i = 0; i < len && !wire->lost; i++) {
        wire_take(wire, ((const uint8_t *)data)[i]);
        if (wire->place_count == 0 && !wire->lost)
            return false;
    }
    return true;
}

/* Whether nothing has to come after this place. */
static bool place_is_last(const struct wire *wire, struct place place)
{
    if (wire_next(wire, place).segment == wire->count)
        return true;
    for (unsigned cut = place.segment + 1; cut <= wire->count; cut++)
        if (wire->cut[cut] &&
            wire_next(wire, (struct place){cut, 0}).segment == wire->count)
            return true;
    return false;
}

bool wire_is_at_end(const struct wire *wire)
{
    for (unsigned i = 0; i < wire->place_count; i++)
        if (place_is_last(wire, wire->places[i]))
            return true;
    return wire->lost;
}
