/*
 * Data that are longer than one call carries: they go in parts, by the functions that take parts.
 *
 * PKCS#11 3.2 §5: what an operation makes of parts is what it makes of the whole, and its output
 * is that of the parts, one behind the other. Every length that is checked here is checked before
 * anything goes, so that CKR_BUFFER_TOO_SMALL leaves the operation as it was.
 */
#include "claviger.h"

/* Parts end where the blocks of every cipher and hash end. */
#define PIECE_UNIT 4096
/* Nobody has so much: a length that is wrong is refused, and nothing is looked at. */
#define LENGTH_MAX ((CK_ULONG)1 << 38)

/* Two of them fit in one call, beside an Init that travels with it. */
static CK_ULONG piece_bytes(void)
{
    const CK_ULONG most = process_body_max();
    const CK_ULONG half = (most - most / 16) / 2;
    /* A server that takes less refuses the call; without a part there would be no end of them. */
    return half < PIECE_UNIT ? PIECE_UNIT : half - half % PIECE_UNIT;
}

bool is_long(const void *data, CK_ULONG length)
{
    return data != NULL && length >= 2 * piece_bytes() && length <= LENGTH_MAX;
}

/* All but the last part are of one size; that one is longer, so that it is never too short. */
static CK_ULONG last_bytes(CK_ULONG length)
{
    const CK_ULONG size = piece_bytes();
    return size + length % size;
}

static CK_ULONG next_bytes(CK_ULONG left)
{
    const CK_ULONG size = piece_bytes();
    return left >= 2 * size ? size : left;
}

CK_RV feed_pieces(feeding *feeds, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length)
{
    while (length > 0) {
        const CK_ULONG part = next_bytes(length);
        const CK_RV rv = feeds(session, data, part);
        if (rv != CKR_OK)
            return rv;
        data += part;
        length -= part;
    }
    return CKR_OK;
}

static CK_RV convert_all(converting *converts, CK_SESSION_HANDLE session, CK_BYTE *data,
                         CK_ULONG length, CK_BYTE *output, CK_ULONG room, CK_ULONG *made)
{
    *made = 0;
    while (length > 0) {
        const CK_ULONG part = next_bytes(length);
        CK_ULONG count = room - *made;
        const CK_RV rv = converts(session, data, part, output + *made, &count);
        if (rv != CKR_OK)
            return rv;
        *made += count;
        data += part;
        length -= part;
    }
    return CKR_OK;
}

/* CKR_OK where the caller has room for the output; otherwise *done, and the length is told. */
static CK_RV find_room(converting *asked, CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG sent,
                       CK_ULONG others, CK_BYTE *output, CK_ULONG *output_length, bool *done)
{
    CK_ULONG needed = 0;
    *done = true;
    if (output_length == NULL)
        return asked(session, data, sent, output, NULL);
    const CK_RV rv = asked(session, data, sent, NULL, &needed);
    if (rv != CKR_OK)
        return rv;
    needed += others;
    *done = output == NULL || *output_length < needed;
    if (!*done)
        return CKR_OK;
    *output_length = needed;
    return output == NULL ? CKR_OK : CKR_BUFFER_TOO_SMALL;
}

CK_RV convert_pieces(converting *converts, CK_SESSION_HANDLE session, CK_BYTE *data,
                     CK_ULONG length, CK_BYTE *output, CK_ULONG *output_length)
{
    const CK_ULONG last = last_bytes(length);
    bool done;
    CK_RV rv =
        find_room(converts, session, data, last, length - last, output, output_length, &done);
    if (rv != CKR_OK || done)
        return rv;
    return convert_all(converts, session, data, length, output, *output_length, output_length);
}

CK_RV convert_whole(converting *whole, converting *converts, ending *ends,
                    CK_SESSION_HANDLE session, CK_BYTE *data, CK_ULONG length, CK_BYTE *output,
                    CK_ULONG *output_length)
{
    const CK_ULONG last = last_bytes(length);
    bool done;
    CK_RV rv = find_room(whole, session, data, last, length - last, output, output_length, &done);
    if (rv != CKR_OK || done)
        return rv;
    CK_ULONG made, rest;
    rv = convert_all(converts, session, data, length, output, *output_length, &made);
    if (rv != CKR_OK)
        return rv;
    rest = *output_length - made;
    rv = ends(session, output + made, &rest);
    if (rv == CKR_OK)
        *output_length = made + rest;
    return rv;
}

CK_RV feed_whole(converting *whole, feeding *feeds, ending *ends, CK_SESSION_HANDLE session,
                 CK_BYTE *data, CK_ULONG length, CK_BYTE *output, CK_ULONG *output_length)
{
    bool done;
    CK_RV rv = find_room(whole, session, data, 1, 0, output, output_length, &done);
    if (rv != CKR_OK || done)
        return rv;
    rv = feed_pieces(feeds, session, data, length);
    return rv == CKR_OK ? ends(session, output, output_length) : rv;
}

CK_RV verify_whole(feeding *feeds, feeding *ends, CK_SESSION_HANDLE session, CK_BYTE *data,
                   CK_ULONG length, CK_BYTE *signature, CK_ULONG signature_length)
{
    /* Nothing can be asked here that changes nothing: a length, as there is of other results. */
    if (memory_partial(session, VERIFY))
        return CKR_OPERATION_ACTIVE;
    const CK_RV rv = feed_pieces(feeds, session, data, length);
    return rv == CKR_OK ? ends(session, signature, signature_length) : rv;
}

CK_RV verify_signature_whole(feeding *feeds, deciding *ends, CK_SESSION_HANDLE session,
                             CK_BYTE *data, CK_ULONG length)
{
    if (memory_partial(session, VERIFY_SIGNATURE))
        return CKR_OPERATION_ACTIVE;
    const CK_RV rv = feed_pieces(feeds, session, data, length);
    return rv == CKR_OK ? ends(session) : rv;
}
