/*
 * The arguments of a function as bytes, and the results from bytes: one function for each kind of
 * argument, and an interpreter for the tables of structures. calls.c puts them together.
 *
 * The first thing that is wrong decides the call's return value; everything after it does nothing.
 * Reading writes to the caller's memory only as much as the caller has said there is room for.
 */
#include "claviger.h"
#include "calls.h"

#include <string.h>

/* Most attributes in a template, and elements in an array. */
#define COUNT_MAX 4096
/* A nonce is at most 24 bytes long: a larger number counts its bits. */
#define NONCE_BYTES_MAX 24

static void refuse(struct call *call, CK_RV rv)
{
    if (call->rv == CKR_OK)
        call->rv = rv;
}

/* --- writing --- */

/* What decides whether two Inits are the same is in the shape; contents are not. */
static void put_content(struct call *call, const void *data, size_t length)
{
    if (call->rv == CKR_OK && !bytes_put(call->request, data, length))
        call->rv = CKR_HOST_MEMORY;
}

static void put(struct call *call, const void *data, size_t length)
{
    put_content(call, data, length);
    if (call->role == INIT && call->rv == CKR_OK &&
        !bytes_put(&call->connection->shape, data, length))
        call->rv = CKR_HOST_MEMORY;
}

static void put_u8(struct call *call, uint8_t value)
{
    put(call, &value, 1);
}

static void put_number(struct call *call, uint64_t value, int length)
{
    uint8_t data[8];
    for (int index = 0; index < length; index++)
        data[index] = (uint8_t)(value >> 8 * (length - 1 - index));
    put(call, data, (size_t)length);
}

static void put_u32(struct call *call, uint32_t value)
{
    put_number(call, value, 4);
}

void put_ulong(struct call *call, CK_ULONG value)
{
    put_number(call, value, 8);
}

void put_bool(struct call *call, CK_BBOOL value)
{
    put_u8(call, value != CK_FALSE);
}

static void put_array(struct call *call, const void *data, CK_ULONG length, CK_RV otherwise)
{
    if ((data == NULL && length > 0) || length > BODY_MAX) {
        refuse(call, otherwise);
        return;
    }
    put_u32(call, data == NULL ? NONE : (uint32_t)length);
    put_content(call, data, data == NULL ? 0 : length);
}

void put_bytes(struct call *call, const void *data, CK_ULONG length)
{
    const bool is_long = data != NULL && length > BODY_MAX;
    put_array(call, data, length, is_long ? CKR_DATA_LEN_RANGE : CKR_ARGUMENTS_BAD);
    if (call->input_length == 0)
        call->input_length = length;
}

void put_padded(struct call *call, const void *data, size_t length)
{
    need(call, data);
    if (data != NULL)
        put_content(call, data, length);
}

void need(struct call *call, const void *place)
{
    if (place == NULL)
        refuse(call, CKR_ARGUMENTS_BAD);
}

/* What these make is told in their parameter. */
void need_key(struct call *call, const void *place)
{
    if (call->mechanism != CKM_TLS12_KEY_AND_MAC_DERIVE &&
        call->mechanism != CKM_TLS12_KEY_SAFE_DERIVE)
        need(call, place);
}

void need_nothing(struct call *call, const void *place)
{
    if (place != NULL)
        refuse(call, CKR_ARGUMENTS_BAD);
}

/* How much room there is, in units that no answer can have more of than fit the limit. */
static void put_capacity(struct call *call, const void *data, CK_ULONG count, size_t unit)
{
    const CK_ULONG most = BODY_MAX / unit;
    put_u32(call, data == NULL ? NONE : (uint32_t)(count < most ? count : most));
}

void put_wanted(struct call *call, const void *data, CK_ULONG *length)
{
    need(call, length);
    if (length == NULL)
        return;
    put_capacity(call, data, *length, 1);
    call->output = data;
    call->output_length = length;
}

void put_wanted_or_not(struct call *call, const void *data, CK_ULONG *length)
{
    if (length == NULL)
        put_u32(call, NO_LENGTH);
    else
        put_wanted(call, data, length);
}

void put_filled(struct call *call, const void *data, CK_ULONG length)
{
    if ((data == NULL && length > 0) || length > BODY_MAX)
        refuse(call, CKR_ARGUMENTS_BAD);
    put_u32(call, (uint32_t)length);
}

void put_ulongs(struct call *call, const void *data, CK_ULONG *count)
{
    need(call, count);
    if (count != NULL)
        put_capacity(call, data, *count, sizeof(CK_ULONG));
}

void put_found(struct call *call, CK_ULONG *data, CK_ULONG max, CK_ULONG *count)
{
    need(call, count);
    call->found = data;
    if (data == NULL && max > 0)
        refuse(call, CKR_ARGUMENTS_BAD);
    put_capacity(call, call, max, sizeof(CK_ULONG));
    call->found_max = max;
    call->found_count = count;
}

static void put_attributes(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count,
                           int depth);

static void put_attribute(struct call *call, const CK_ATTRIBUTE *attribute, int depth)
{
    const CK_ULONG length = attribute->ulValueLen;
    put_ulong(call, attribute->type);
    if (attribute->pValue == NULL) {
        put_u8(call, 0);
        put_ulong(call, length);
    } else if (is_template(attribute->type)) {
        if (length % sizeof(CK_ATTRIBUTE) != 0)
            refuse(call, CKR_ATTRIBUTE_VALUE_INVALID);
        put_u8(call, 2);
        put_attributes(call, attribute->pValue, length / sizeof(CK_ATTRIBUTE), depth + 1);
    } else {
        put_u8(call, 1);
        put_array(call, attribute->pValue, length, CKR_ATTRIBUTE_VALUE_INVALID);
    }
}

static void put_attributes(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count,
                           int depth)
{
    if ((attributes == NULL && count > 0) || count > COUNT_MAX || depth > NESTING_MAX)
        refuse(call, CKR_ARGUMENTS_BAD);
    put_u32(call, (uint32_t)count);
    for (CK_ULONG index = 0; index < count && call->rv == CKR_OK; index++)
        put_attribute(call, &attributes[index], depth);
}

void put_template(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    put_attributes(call, attributes, count, 0);
}

void put_values(struct call *call, const CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if ((attributes == NULL && count > 0) || count > COUNT_MAX)
        refuse(call, CKR_ARGUMENTS_BAD);
    put_u32(call, (uint32_t)count);
    for (CK_ULONG index = 0; index < count && call->rv == CKR_OK; index++) {
        put_ulong(call, attributes[index].type);
        put_capacity(call, attributes[index].pValue, attributes[index].ulValueLen, 1);
    }
}

/* --- structures --- */

/* Callers' structures may lie anywhere: nothing is read or written through a typed pointer. */
static CK_ULONG load_ulong(const uint8_t *place)
{
    CK_ULONG value;
    memcpy(&value, place, sizeof value);
    return value;
}

static void *load_pointer(const uint8_t *place)
{
    void *value;
    memcpy(&value, place, sizeof value);
    return value;
}

/* The bytes that a member points to: as many as the standard or another member says. */
static CK_ULONG length_of(const struct call *call, const struct member *member,
                          const uint8_t *base)
{
    if (member->kind == POINTED_MEMBER)
        return member->size;
    if (member->is_outer_length && call->outer == NULL)
        return 0;
    const uint8_t *place =
        (member->is_outer_length ? call->outer : base) + member->length_offset;
    if (member->is_length_pointer)
        place = load_pointer(place);
    const CK_ULONG value = place == NULL ? 0 : load_ulong(place);
    const bool is_bits =
        member->unit == IN_BITS || (member->unit == IN_EITHER && value > NONCE_BYTES_MAX);
    return is_bits ? value / 8 + (value % 8 != 0) : value;
}

/* Two structures point to the initialisation vectors of TLS, and the tables know one of them. */
_Static_assert(offsetof(CK_SSL3_KEY_MAT_PARAMS, ulIVSizeInBits) ==
                   offsetof(CK_TLS12_KEY_MAT_PARAMS, ulIVSizeInBits),
               "the parameters of SSL 3 and TLS 1.2 begin alike");

/* Goes on in a structure that this one points to. */
static const uint8_t *enter(struct call *call, const uint8_t *base)
{
    const uint8_t *outer = call->outer;
    call->outer = base;
    return outer;
}

static void put_members(struct call *call, const struct structure *structure, const uint8_t *base,
                        int depth);
static void put_nested_mechanism(struct call *call, const CK_MECHANISM *mechanism,
                                 enum parameter_use use, int depth);

static void put_elements(struct call *call, const struct member *member, const uint8_t *elements,
                         CK_ULONG count, int depth)
{
    if ((elements == NULL && count > 0) || count > COUNT_MAX) {
        refuse(call, CKR_MECHANISM_PARAM_INVALID);
        return;
    }
    put_u32(call, elements == NULL ? NONE : (uint32_t)count);
    for (CK_ULONG index = 0; index < count && call->rv == CKR_OK; index++)
        put_members(call, member->structure, elements + index * member->structure->size, depth + 1);
}

static void put_pointed(struct call *call, const struct member *member, const uint8_t *target,
                        CK_ULONG length)
{
    if (member->direction != WRITTEN)
        put_array(call, target, length, CKR_MECHANISM_PARAM_INVALID);
    else
        put_capacity(call, target, length, 1);
}

static void put_member(struct call *call, const struct member *member, const uint8_t *base,
                       int depth)
{
    const uint8_t *place = base + member->offset;
    switch (member->kind) {
    case ULONG_MEMBER:
        put_ulong(call, load_ulong(place));
        break;
    case BOOL_MEMBER:
        put_bool(call, *place);
        break;
    case INLINE_MEMBER:
        /* One byte is a small number, and says what is meant; more are contents. */
        if (member->size == 1)
            put(call, place, 1);
        else
            put_content(call, place, member->size);
        break;
    case BYTES_MEMBER:
    case POINTED_MEMBER:
        put_pointed(call, member, load_pointer(place),
                    load_pointer(place) == NULL && member->kind == POINTED_MEMBER
                        ? 0
                        : length_of(call, member, base));
        break;
    case STRUCTURE_MEMBER:
        put_members(call, member->structure, place, depth + 1);
        break;
    case STRUCTURE_POINTER_MEMBER:
        put_u8(call, load_pointer(place) != NULL);
        if (load_pointer(place) != NULL) {
            const uint8_t *outer = enter(call, base);
            put_members(call, member->structure, load_pointer(place), depth + 1);
            call->outer = outer;
        }
        break;
    case ARRAY_MEMBER:
        put_elements(call, member, load_pointer(place), length_of(call, member, base), depth);
        break;
    case TEMPLATE_MEMBER:
        put_attributes(call, load_pointer(place), length_of(call, member, base), depth + 1);
        break;
    case MECHANISM_MEMBER:
        put_nested_mechanism(call, load_pointer(place), OF_MECHANISM, depth + 1);
        break;
    case STRING_MEMBER: {
        const char *text = load_pointer(place);
        put_array(call, text, text == NULL ? 0 : strnlen(text, BODY_MAX),
                  CKR_MECHANISM_PARAM_INVALID);
        break;
    }
    case HANDLE_OUT_MEMBER:
        put_u8(call, load_pointer(place) != NULL);
        break;
    case FOREIGN_MEMBER:
        refuse(call, CKR_MECHANISM_PARAM_INVALID);
        break;
    }
}

static void put_members(struct call *call, const struct structure *structure, const uint8_t *base,
                        int depth)
{
    if (depth > NESTING_MAX)
        refuse(call, CKR_MECHANISM_PARAM_INVALID);
    for (size_t index = 0; index < structure->count && call->rv == CKR_OK; index++)
        put_member(call, &structure->members[index], base, depth);
}

/* How a parameter travels: not, as it is, or by the members of its structure. */
enum form { NO_MECHANISM, NO_PARAMETER, RAW, BY_MEMBERS };

static enum form form_of(const struct structure *structure, const void *parameter, CK_ULONG length)
{
    if (parameter == NULL || length == 0)
        return NO_PARAMETER;
    return structure != NULL && structure->size == length ? BY_MEMBERS : RAW;
}

/* The length of a MAC, which belongs to the shape; what is as long for a cipher is an IV. */
static bool is_number(const struct call *call, const CK_MECHANISM *mechanism)
{
    return (call->operations & (SIGN | VERIFY | MESSAGE_SIGN | MESSAGE_VERIFY)) != 0 &&
           mechanism->ulParameterLen == sizeof(CK_ULONG);
}

static void put_nested_mechanism(struct call *call, const CK_MECHANISM *mechanism,
                                 enum parameter_use use, int depth)
{
    if (mechanism == NULL) {
        put_u8(call, NO_MECHANISM);
        return;
    }
    const struct structure *structure = parameter_structure(mechanism->mechanism, use);
    const enum form form = form_of(structure, mechanism->pParameter, mechanism->ulParameterLen);
    if (mechanism->pParameter == NULL && mechanism->ulParameterLen > 0)
        refuse(call, CKR_MECHANISM_PARAM_INVALID);
    put_u8(call, form);
    put_ulong(call, mechanism->mechanism);
    if (form == RAW && is_number(call, mechanism)) {
        put_u32(call, sizeof(CK_ULONG));
        put(call, mechanism->pParameter, sizeof(CK_ULONG));
    } else if (form == RAW) {
        put_array(call, mechanism->pParameter, mechanism->ulParameterLen,
                  CKR_MECHANISM_PARAM_INVALID);
    }
    if (form == BY_MEMBERS)
        put_members(call, structure, mechanism->pParameter, depth);
}

static void put_own_mechanism(struct call *call, const CK_MECHANISM *mechanism,
                              enum parameter_use use)
{
    /* Without a mechanism an Init ends the operation that is active. */
    if (mechanism == NULL && call->role != INIT)
        refuse(call, CKR_ARGUMENTS_BAD);
    call->is_cancel = mechanism == NULL;
    if (mechanism != NULL)
        call->mechanism = mechanism->mechanism;
    call->use = use;
    put_nested_mechanism(call, mechanism, use, 0);
}

void put_mechanism(struct call *call, const CK_MECHANISM *mechanism)
{
    put_own_mechanism(call, mechanism, OF_MECHANISM);
}

void put_mechanism_authenticated(struct call *call, const CK_MECHANISM *mechanism)
{
    put_own_mechanism(call, mechanism, OF_AUTHENTICATED_WRAP);
}

void put_parameter(struct call *call, const void *parameter, CK_ULONG length)
{
    call->mechanism = memory_message_mechanism(call->session, call->operations);
    call->use = OF_MESSAGE;
    if (parameter == NULL) {
        if (length > 0)
            refuse(call, CKR_ARGUMENTS_BAD);
        put_u8(call, 0);
        return;
    }
    const struct structure *structure = parameter_structure(call->mechanism, OF_MESSAGE);
    if (form_of(structure, parameter, length) == BY_MEMBERS) {
        put_u8(call, BY_MEMBERS);
        put_ulong(call, call->mechanism);
        put_members(call, structure, parameter, 0);
    } else {
        put_u8(call, RAW);
        put_array(call, parameter, length, CKR_MECHANISM_PARAM_INVALID);
    }
}

/* --- reading --- */

/* Whether there are results to read, and they have been in order so far. */
static bool is_reading(struct call *call)
{
    return call->is_answered && !call->answer.is_bad;
}

static void reject(struct call *call)
{
    call->answer.is_bad = true;
}

/* Bytes with their length; NULL and 0 where there are none. */
static const uint8_t *read_array(struct call *call, uint32_t *length)
{
    *length = read_u32(&call->answer);
    if (*length == NONE) {
        *length = 0;
        return NULL;
    }
    const uint8_t *found = read_bytes(&call->answer, *length);
    if (found == NULL)
        *length = 0;
    return found;
}

static void copy(void *place, const uint8_t *data, size_t length)
{
    if (length > 0)
        memcpy(place, data, length);
}

void get_ulong(struct call *call, CK_ULONG *value)
{
    if (!is_reading(call))
        return;
    const CK_ULONG found = read_u64(&call->answer);
    if (call->answer.is_bad || call->rv != CKR_OK || value == NULL)
        return;
    *value = found;
    if (call->role == OPENS)
        call->opened = found;
}

/* Output that is longer than the caller's room, or only its length was asked for. */
static void tell_length(struct call *call, const void *place, CK_ULONG *length, CK_ULONG needed)
{
    *length = needed;
    if (place != NULL)
        refuse(call, CKR_BUFFER_TOO_SMALL);
}

void get_wanted(struct call *call, void *data, CK_ULONG *length)
{
    if (!is_reading(call))
        return;
    if (read_u8(&call->answer) == 0) {
        const CK_ULONG needed = read_u64(&call->answer);
        if (!call->answer.is_bad && length != NULL)
            tell_length(call, data, length, needed);
        return;
    }
    uint32_t count;
    const uint8_t *found = read_array(call, &count);
    if (call->answer.is_bad || length == NULL)
        return;
    if (data == NULL || count > *length) {
        tell_length(call, data, length, count);
        return;
    }
    copy(data, found, count);
    *length = count;
    call->is_delivered = true;
}

void get_filled(struct call *call, void *data, CK_ULONG length)
{
    if (!is_reading(call))
        return;
    uint32_t count;
    const uint8_t *found = read_array(call, &count);
    if (call->rv != CKR_OK)
        return;
    if (count != length)
        reject(call);
    else
        copy(data, found, count);
}

static void read_ulongs(struct call *call, CK_ULONG *values, uint32_t count)
{
    for (uint32_t index = 0; index < count; index++)
        values[index] = read_u64(&call->answer);
}

/* So many numbers are there to be read. */
static bool has_ulongs(struct call *call, uint32_t count)
{
    if ((size_t)(call->answer.end - call->answer.at) / sizeof(CK_ULONG) < count)
        reject(call);
    return !call->answer.is_bad;
}

void get_ulongs(struct call *call, CK_ULONG *values, CK_ULONG *count)
{
    if (!is_reading(call))
        return;
    if (read_u8(&call->answer) == 0) {
        const CK_ULONG needed = read_u64(&call->answer);
        if (!call->answer.is_bad)
            tell_length(call, values, count, needed);
        return;
    }
    const uint32_t found = read_u32(&call->answer);
    if (!has_ulongs(call, found))
        return;
    if (values == NULL || found > *count) {
        tell_length(call, values, count, found);
        return;
    }
    read_ulongs(call, values, found);
    *count = found;
}

void get_found(struct call *call, CK_ULONG *values, CK_ULONG max, CK_ULONG *count)
{
    if (!is_reading(call))
        return;
    const uint32_t found = read_u32(&call->answer);
    if (!has_ulongs(call, found) || call->rv != CKR_OK)
        return;
    if (found > max - call->found_here) {
        reject(call);
        return;
    }
    read_ulongs(call, values == NULL ? NULL : values + call->found_here, found);
    *count = call->found_here + found;
}

/* A value that does not fit is unavailable, and the others are read all the same. */
static void fill(struct call *call, CK_ATTRIBUTE *attribute, const uint8_t *data, CK_ULONG length)
{
    if (attribute->pValue == NULL || data == NULL) {
        attribute->ulValueLen = length;
    } else if (length > attribute->ulValueLen) {
        attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        refuse(call, CKR_BUFFER_TOO_SMALL);
    } else {
        copy(attribute->pValue, data, length);
        attribute->ulValueLen = length;
    }
}

static void skip_attributes(struct call *call, int depth);

/* What stands in an attribute behind its type and form, when it is of no use. */
static void skip_value(struct call *call, uint8_t form, int depth)
{
    uint32_t length;
    if (form == 1)
        read_array(call, &length);
    else if (form == 2)
        skip_attributes(call, depth + 1);
    else
        read_u64(&call->answer);
}

static void skip_attributes(struct call *call, int depth)
{
    const uint32_t count = read_u32(&call->answer);
    if (depth > NESTING_MAX || count > COUNT_MAX)
        reject(call);
    for (uint32_t index = 0; index < count && !call->answer.is_bad; index++) {
        read_u64(&call->answer);
        skip_value(call, read_u8(&call->answer), depth);
    }
}

static void get_attributes(struct call *call, CK_ATTRIBUTE *attribute, int depth);

/* One attribute of a template that is a value: its type is the token's to say. */
static void get_inner(struct call *call, CK_ATTRIBUTE *inner, int depth)
{
    inner->type = read_u64(&call->answer);
    const uint8_t form = read_u8(&call->answer);
    uint32_t length = 0;
    if (form == 2) {
        get_attributes(call, inner, depth + 1);
    } else if (form == 1) {
        const uint8_t *data = read_array(call, &length);
        if (!call->answer.is_bad)
            fill(call, inner, data, length);
    } else {
        const CK_ULONG told = read_u64(&call->answer);
        if (!call->answer.is_bad)
            fill(call, inner, NULL, told);
    }
}

/* A template as a value: as much of it as the caller has room for, in full or not at all. */
static void get_attributes(struct call *call, CK_ATTRIBUTE *attribute, int depth)
{
    struct reader ahead = call->answer;
    const CK_ULONG count = read_u32(&ahead);
    const CK_ULONG bytes = count * sizeof(CK_ATTRIBUTE);
    if (attribute->pValue == NULL || bytes > attribute->ulValueLen || depth > NESTING_MAX) {
        skip_attributes(call, depth);
        if (!call->answer.is_bad)
            fill(call, attribute, (const uint8_t *)"", bytes);
        return;
    }
    read_u32(&call->answer);
    for (CK_ULONG index = 0; index < count && !call->answer.is_bad; index++)
        get_inner(call, (CK_ATTRIBUTE *)attribute->pValue + index, depth);
    attribute->ulValueLen = bytes;
}

static void get_value(struct call *call, CK_ATTRIBUTE *attribute)
{
    uint32_t length;
    const uint8_t *data;
    if (read_u64(&call->answer) != attribute->type)
        reject(call);
    switch (read_u8(&call->answer)) {
    case 0:
        if (!call->answer.is_bad)
            attribute->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        break;
    case 1:
        data = read_array(call, &length);
        if (!call->answer.is_bad)
            fill(call, attribute, data == NULL ? (const uint8_t *)"" : data, length);
        break;
    case 2:
        if (is_template(attribute->type))
            get_attributes(call, attribute, 0);
        else
            reject(call);
        break;
    case 3: {
        const CK_ULONG told = read_u64(&call->answer);
        if (call->answer.is_bad)
            break;
        if (attribute->pValue != NULL)
            refuse(call, CKR_BUFFER_TOO_SMALL);
        attribute->ulValueLen = attribute->pValue == NULL ? told : CK_UNAVAILABLE_INFORMATION;
        break;
    }
    default:
        reject(call);
    }
}

void get_values(struct call *call, CK_ATTRIBUTE *attributes, CK_ULONG count)
{
    if (!is_reading(call))
        return;
    if (read_u32(&call->answer) != count)
        reject(call);
    for (CK_ULONG index = 0; index < count && !call->answer.is_bad; index++)
        get_value(call, &attributes[index]);
}

/* --- structures that come back --- */

/*
 * Members of a structure in an answer. Of a parameter (`is_whole` false) only what the token writes
 * is taken, and the rest passed over; `base` is what the caller gave, and says how long things are.
 */
static void get_members(struct call *call, const struct structure *structure, uint8_t *base,
                        bool is_whole, int depth);
static void get_nested_mechanism(struct call *call, const CK_MECHANISM *mechanism,
                                 enum parameter_use use, int depth);

static void get_pointed(struct call *call, const struct member *member, uint8_t *base)
{
    uint32_t length;
    const uint8_t *found = read_array(call, &length);
    uint8_t *place = load_pointer(base + member->offset);
    if (call->answer.is_bad || member->direction == GIVEN || found == NULL || place == NULL)
        return;
    if (length > length_of(call, member, base)) {
        reject(call);
        return;
    }
    copy(place, found, length);
    if (member->is_length_pointer) {
        const CK_ULONG written = length;
        memcpy(load_pointer(base + member->length_offset), &written, sizeof written);
    }
}

static void get_elements(struct call *call, const struct member *member, uint8_t *base, int depth)
{
    uint8_t *elements = load_pointer(base + member->offset);
    const uint32_t count = read_u32(&call->answer);
    const CK_ULONG given = elements == NULL ? NONE : length_of(call, member, base);
    if (count != given)
        reject(call);
    for (CK_ULONG index = 0; elements != NULL && index < count && !call->answer.is_bad; index++)
        get_members(call, member->structure, elements + index * member->structure->size, false,
                    depth + 1);
}

static void get_handle(struct call *call, uint8_t *place)
{
    if (read_u8(&call->answer) == 0)
        return;
    const CK_OBJECT_HANDLE handle = read_u64(&call->answer);
    if (!call->answer.is_bad && place != NULL)
        memcpy(place, &handle, sizeof handle);
}

static void get_member(struct call *call, const struct member *member, uint8_t *base,
                       bool is_whole, int depth)
{
    uint8_t *place = base + member->offset;
    uint32_t length;
    switch (member->kind) {
    case ULONG_MEMBER: {
        const CK_ULONG value = read_u64(&call->answer);
        if (is_whole && !call->answer.is_bad)
            memcpy(place, &value, sizeof value);
        break;
    }
    case BOOL_MEMBER:
        read_u8(&call->answer);
        break;
    case INLINE_MEMBER: {
        const uint8_t *found = read_bytes(&call->answer, member->size);
        if (is_whole && found != NULL)
            memcpy(place, found, member->size);
        break;
    }
    case BYTES_MEMBER:
    case POINTED_MEMBER:
        get_pointed(call, member, base);
        break;
    case STRUCTURE_MEMBER:
        get_members(call, member->structure, place, is_whole, depth + 1);
        break;
    case STRUCTURE_POINTER_MEMBER:
        if (read_u8(&call->answer) != (load_pointer(place) != NULL))
            reject(call);
        else if (load_pointer(place) != NULL) {
            const uint8_t *outer = enter(call, base);
            get_members(call, member->structure, load_pointer(place), member->direction != GIVEN,
                        depth + 1);
            call->outer = outer;
        }
        break;
    case ARRAY_MEMBER:
        get_elements(call, member, base, depth);
        break;
    case TEMPLATE_MEMBER:
        skip_attributes(call, depth + 1);
        break;
    case MECHANISM_MEMBER:
        get_nested_mechanism(call, load_pointer(place), OF_MECHANISM, depth + 1);
        break;
    case STRING_MEMBER:
        read_array(call, &length);
        break;
    case HANDLE_OUT_MEMBER:
        get_handle(call, load_pointer(place));
        break;
    case FOREIGN_MEMBER:
        reject(call);
        break;
    }
}

static void get_members(struct call *call, const struct structure *structure, uint8_t *base,
                        bool is_whole, int depth)
{
    if (depth > NESTING_MAX)
        reject(call);
    for (size_t index = 0; index < structure->count && !call->answer.is_bad; index++)
        get_member(call, &structure->members[index], base, is_whole, depth);
}

void get_structure(struct call *call, const struct structure *structure, void *place)
{
    if (is_reading(call) && call->rv == CKR_OK)
        get_members(call, structure, place, true, 0);
}

/* Raw bytes never come back: if they hold addresses, a server must not choose them. */
static void get_parameter_as(struct call *call, const struct structure *structure, void *parameter,
                             CK_ULONG length, enum form form, int depth)
{
    uint32_t skipped;
    if (form == RAW)
        read_array(call, &skipped);
    if (form != BY_MEMBERS)
        return;
    if (form_of(structure, parameter, length) == BY_MEMBERS)
        get_members(call, structure, parameter, false, depth);
    else
        reject(call);
}

static void get_nested_mechanism(struct call *call, const CK_MECHANISM *mechanism,
                                 enum parameter_use use, int depth)
{
    const enum form form = read_u8(&call->answer);
    if (form == NO_MECHANISM)
        return;
    if (mechanism == NULL || form > BY_MEMBERS ||
        read_u64(&call->answer) != mechanism->mechanism || depth > NESTING_MAX) {
        reject(call);
        return;
    }
    get_parameter_as(call, parameter_structure(mechanism->mechanism, use), mechanism->pParameter,
                     mechanism->ulParameterLen, form, depth);
}

void get_mechanism(struct call *call, const CK_MECHANISM *mechanism)
{
    if (is_reading(call) && call->rv == CKR_OK && call->answer.at < call->answer.end)
        get_nested_mechanism(call, mechanism, call->use, 0);
}

void get_parameter(struct call *call, void *parameter, CK_ULONG length)
{
    if (!is_reading(call))
        return;
    const enum form form = read_u8(&call->answer);
    if (form == BY_MEMBERS && read_u64(&call->answer) != call->mechanism)
        reject(call);
    if (form == NO_PARAMETER || form > BY_MEMBERS)
        reject(call);
    get_parameter_as(call, parameter_structure(call->mechanism, OF_MESSAGE), parameter, length,
                     form, 0);
}

/* --- a call --- */

/* Requests that wait for an operation go before the one that needs it. */
static bool begin_batch(struct call *call)
{
    struct bytes *request = call->request;
    const uint8_t stops = call->role != FLUSHES;
    const bool is_begun = bytes_put_u32(request, CALL_BATCH) && bytes_put(request, &stops, 1) &&
                          bytes_put_u32(request, 0);
    if (!is_begun)
        return false;
    call->batched = memory_waiting(call->session, call->operations, request);
    if (call->batched == 0) {
        request->length = HEADER_BYTES;
        return true;
    }
    /* There are fewer operations than a byte can count. */
    request->data[HEADER_BYTES + 4 + 1 + 3] = (uint8_t)(call->batched + 1);
    return bytes_put_u32(request, 0);
}

/*
 * The first objects are asked for together with the search itself, and the end of the search before
 * it, which the application has had already, goes ahead.
 */
static bool begin_search(struct call *call)
{
    struct bytes *request = call->request;
    call->is_search = call->role == SEARCHES && memory_search(call->session);
    call->ends_search = memory_finishing(call->session);
    if (!call->is_search && !call->ends_search)
        return true;
    const uint8_t stops = !call->ends_search;
    const uint32_t count = call->ends_search + 1u + call->is_search;
    if (!bytes_put_u32(request, CALL_BATCH) || !bytes_put(request, &stops, 1) ||
        !bytes_put_u32(request, count))
        return false;
    if (call->ends_search) {
        if (!bytes_put_u32(request, 4 + 8) || !bytes_put_u32(request, CALL_C_FindObjectsFinal))
            return false;
        put_ulong(call, call->session);
    }
    return call->rv == CKR_OK && bytes_put_u32(request, 0);
}

/* Whether it does something in operations that have begun. */
static bool is_using(const struct call *call)
{
    return call->role == WHOLE || call->role == UPDATE || call->role == FINAL;
}

static bool write_beginning(struct call *call)
{
    static const uint8_t header[HEADER_BYTES];
    if (!bytes_put(call->request, header, sizeof header))
        return false;
    const bool is_repeatable = (call->operations & REPEATABLE) != 0;
    if ((is_using(call) || call->role == FLUSHES) && is_repeatable && !begin_batch(call))
        return false;
    const bool is_searching =
        call->role == SEARCHES || call->role == FINDS || call->role == FOUND;
    if (is_searching && !begin_search(call))
        return false;
    call->start = call->request->length;
    return bytes_put_u32(call->request, call->id) &&
           (call->role != INIT || bytes_put_u32(&call->connection->shape, call->id));
}

bool call_begin(struct call *call, uint32_t id, CK_SESSION_HANDLE session, unsigned operations,
                enum role role)
{
    memset(call, 0, sizeof *call);
    call->id = id;
    call->session = session;
    call->operations = operations;
    call->role = role;
    call->rv = process_enter();
    if (call->rv != CKR_OK)
        return false;
    call->connection = connection_take();
    if (call->connection == NULL) {
        call->rv = CKR_HOST_MEMORY;
        return false;
    }
    call->request = &call->connection->request;
    if (write_beginning(call))
        return true;
    connection_release(call->connection);
    call->rv = CKR_HOST_MEMORY;
    return false;
}

static void store_u32(uint8_t *place, uint32_t value)
{
    for (int index = 0; index < 4; index++)
        place[index] = (uint8_t)(value >> (24 - 8 * index));
}

/* What has been found already, and if that is too little, the request for the rest. */
static bool find_here(struct call *call)
{
    if (memory_take(call->session, call->found, call->found_max, &call->found_here)) {
        *call->found_count = call->found_here;
        return true;
    }
    const CK_ULONG left = call->found_max - call->found_here, most = BODY_MAX / sizeof(CK_ULONG);
    store_u32(call->request->data + call->request->length - 4,
              (uint32_t)(left < most ? left : most));
    return false;
}

/* What can be answered without asking. */
static bool answer_here(struct call *call)
{
    CK_ULONG length;
    if (call->role == INIT)
        return memory_init(call, &call->connection->shape, &call->rv);
    if (call->role == FINDS)
        return find_here(call);
    if (call->role == FOUND)
        return memory_finish(call->session);
    if (call->output_length == NULL || call->output != NULL || !memory_length(call, &length))
        return false;
    *call->output_length = length;
    return true;
}

static void finish_request(struct call *call)
{
    if (call->batched == 0 && !call->is_search && !call->ends_search)
        return;
    store_u32(call->request->data + call->start - 4,
              (uint32_t)(call->request->length - call->start));
    if (call->batched > 0)
        memory_sent(call->session, call->operations);
    if (call->ends_search)
        memory_search_ended(call->session);
    if (!call->is_search)
        return;
    put_u32(call, 4 + 8 + 4);
    put_u32(call, CALL_C_FindObjects);
    put_ulong(call, call->session);
    put_u32(call, FOUND_MAX);
}

/* Reads the beginning of an answer, and whether results follow. */
static void open_answer(struct call *call, struct reader body, uint32_t id)
{
    call->answer = body;
    if (read_u32(&call->answer) != id)
        reject(call);
    const CK_RV rv = read_u32(&call->answer);
    if (call->answer.is_bad)
        return;
    call->rv = rv;
    call->is_answered =
        rv == CKR_OK || ((rv == CKR_BUFFER_TOO_SMALL || rv == CKR_ATTRIBUTE_SENSITIVE ||
                          rv == CKR_ATTRIBUTE_TYPE_INVALID) &&
                         call->answer.at < call->answer.end);
}

/* The answers to what travelled together: of an Init only whether it was refused. */
static void open_batch(struct call *call, struct reader body)
{
    open_answer(call, body, CALL_BATCH);
    struct reader all = call->answer;
    const uint32_t count = read_u32(&all);
    if (call->rv != CKR_OK || count == 0 || count > call->batched + 1)
        all.is_bad = true;
    for (uint32_t index = 0; index < count && !all.is_bad; index++) {
        const uint32_t length = read_u32(&all);
        const uint8_t *one = read_bytes(&all, length);
        struct reader inner = {.at = one, .end = one == NULL ? one : one + length};
        if (index == call->batched) {
            open_answer(call, inner, call->id);
            return;
        }
        read_u32(&inner);
        const CK_RV rv = read_u32(&inner);
        all.is_bad = all.is_bad || inner.is_bad;
        if (rv != CKR_OK && call->role != FLUSHES && !all.is_bad) {
            call->rv = rv;
            call->is_answered = false;
            return;
        }
    }
    reject(call);
}

/* The answer to a search, and the first objects where it has begun; or to what follows its end. */
static void open_search(struct call *call, struct reader body)
{
    open_answer(call, body, CALL_BATCH);
    struct reader all = call->answer;
    const uint32_t count = read_u32(&all), most = call->ends_search + 1u + call->is_search;
    /* Whoever has ended the search before has had the answer. */
    if (call->ends_search)
        read_bytes(&all, read_u32(&all));
    const uint32_t length = read_u32(&all);
    const uint8_t *own = read_bytes(&all, length);
    if (own == NULL || call->rv != CKR_OK || count > most) {
        reject(call);
        return;
    }
    open_answer(call, (struct reader){.at = own, .end = own + length}, call->id);
    if (call->rv != CKR_OK || call->answer.is_bad || !call->is_search)
        return;
    read_u32(&all);
    const uint32_t id = read_u32(&all);
    const CK_RV rv = read_u32(&all);
    if (count != most || id != CALL_C_FindObjects)
        all.is_bad = true;
    else if (rv == CKR_OK)
        memory_found(call->session, &all);
    if (all.is_bad)
        reject(call);
}

/* The flags that name operations in C_SessionCancel, in the order of ours. */
static const CK_FLAGS CANCELS[OPERATIONS] = {
    CKF_ENCRYPT,         CKF_DECRYPT,         CKF_DIGEST,       CKF_SIGN,
    CKF_SIGN_RECOVER,    CKF_VERIFY,          CKF_VERIFY_RECOVER, CKF_MESSAGE_ENCRYPT,
    CKF_MESSAGE_DECRYPT, CKF_MESSAGE_SIGN,    CKF_MESSAGE_VERIFY, 0,
};

/*
 * What is not sent ends the operation, as any other failure does: an application that goes on with
 * Init would find the old one active for ever.
 */
static void give_up(struct call *call)
{
    CK_FLAGS flags = 0;
    for (int index = 0; index < OPERATIONS; index++)
        flags |= (call->operations & 1u << index) != 0 ? CANCELS[index] : 0;
    if (flags == 0 || !(is_using(call) || call->role == MESSAGE))
        return;
    const CK_RV rv = call->rv;
    struct reader body;
    explicit_bzero(call->request->data, call->request->length);
    call->request->length = HEADER_BYTES;
    call->rv = CKR_OK;
    put_u32(call, CALL_C_SessionCancel);
    put_ulong(call, call->session);
    put_ulong(call, flags);
    if (call->rv != CKR_OK)
        return;
    call->rv = rv;
    if (!connection_exchange(call->connection, call->request, process_seconds(), &body))
        reject(call);
    memory_sent(call->session, call->operations);
    memory_used(call->session, call->operations, ENDED);
}

void call_run(struct call *call)
{
    if (call->rv == CKR_OK && answer_here(call))
        return;
    if (call->rv != CKR_OK && !is_using(call))
        return;
    if (!connection_alive(call->connection)) {
        const CK_RV rv = process_connect(call->connection);
        refuse(call, rv);
        if (rv != CKR_OK)
            return;
    }
    /* More than the server takes would end the connection, and the sessions with it. */
    if (call->request->length - HEADER_BYTES > process_body_max())
        refuse(call, CKR_DATA_LEN_RANGE);
    if (call->rv != CKR_OK) {
        give_up(call);
        return;
    }
    finish_request(call);
    if (call->rv != CKR_OK)
        return;
    struct reader body;
    call->is_asked = true;
    const unsigned seconds = call->role == WAITS ? 0 : process_seconds();
    if (!connection_exchange(call->connection, call->request, seconds, &body))
        reject(call);
    else if (call->is_search || call->ends_search)
        open_search(call, body);
    else if (call->batched > 0)
        open_batch(call, body);
    else
        open_answer(call, body, call->id);
}

static enum outcome outcome_of(const struct call *call)
{
    if (call->rv == CKR_BUFFER_TOO_SMALL || call->rv == CKR_OPERATION_ACTIVE)
        return CONTINUED;
    if (call->rv == CKR_SIGNATURE_INVALID || call->rv == CKR_SIGNATURE_LEN_RANGE)
        return ENDED;
    if (call->rv != CKR_OK)
        return UNCERTAIN;
    const bool is_over =
        call->role != UPDATE && (call->output_length == NULL || call->is_delivered);
    return is_over ? ENDED : CONTINUED;
}

/* What the answer means for what is remembered. */
static void remember(struct call *call)
{
    switch (call->role) {
    case INIT:
        if (call->rv == CKR_OK && call->is_cancel)
            memory_used(call->session, call->operations, ENDED);
        else if (call->rv == CKR_OK)
            memory_accepted(call, &call->connection->shape, &call->answer);
        break;
    case WHOLE:
    case UPDATE:
    case FINAL: {
        const enum outcome outcome = outcome_of(call);
        /* To ask for a length, or to give too little room, is no part of the data. */
        const bool is_part = call->role == UPDATE && call->rv == CKR_OK &&
                             (call->output_length == NULL || call->is_delivered);
        if (outcome != CONTINUED || is_part)
            memory_used(call->session, call->operations, outcome);
        break;
    }
    case FORGETS:
    case FLUSHES:
        memory_forget();
        /* The flags are the last argument, and this one is in their last byte. */
        if (call->id == CALL_C_SessionCancel && call->rv == CKR_OK &&
            (call->request->data[call->request->length - 1] & CKF_FIND_OBJECTS) != 0)
            memory_search_ended(call->session);
        break;
    case OPENS:
        if (call->rv == CKR_OK)
            memory_open(call->opened, call->session);
        break;
    case CLOSES:
        memory_close(call->session);
        break;
    case CLOSES_ALL:
        if (call->rv == CKR_OK)
            memory_close_all(call->session);
        break;
    case FOUND:
        memory_search_ended(call->session);
        break;
    case PLAIN:
    case MESSAGE:
    case WAITS:
    case SEARCHES:
    case FINDS:
        break;
    }
}

CK_RV call_end(struct call *call)
{
    if (call->is_asked && !call->answer.is_bad)
        remember(call);
    if (call->answer.is_bad) {
        /* The sessions may have gone with the connection. */
        memory_used(call->session, call->operations, UNCERTAIN);
        memory_forget();
        connection_retire(call->connection);
        /* The library may have been finished while the server was waited for. */
        call->rv = process_enter() == CKR_OK ? CKR_DEVICE_ERROR : CKR_CRYPTOKI_NOT_INITIALIZED;
    }
    connection_release(call->connection);
    return call->rv;
}
