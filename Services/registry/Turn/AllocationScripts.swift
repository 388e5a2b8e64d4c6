import Store

/// What is atomic about counting TURN allocations, as Lua in Redis; keys as in `PlacementScripts`.
///
/// | key | what |
/// | --- | --- |
/// | `user:USER` | sorted set of the user's allocations, `BOOT ID NODE` each, by when they are forgotten (ms) |
///
/// An allocation counts while its turn server asserts it, and only while that server's lease is of the same boot: so a
/// dead server's allocations stop counting with its lease, and one that forgot to release does so after 90 s.
enum AllocationScripts {
    /// Three assertions fit in, so that two may be lost.
    private static let prelude =
        PlacementScripts.prelude + """
            local COUNTS = 90000
            local function member(boot, id, node) return boot .. ' ' .. id .. ' ' .. node end
            local function keep(user, name)
                redis.call('ZADD', P .. 'user:' .. user, whole(ms + COUNTS), name)
                redis.call('PEXPIRE', P .. 'user:' .. user, COUNTS)
            end

            """

    /// One more for a user. ARGV: node, boot, user, id, limit. Gives whether it may be, and how many count.
    ///
    /// While leases cannot be believed (`settling`), nothing is taken off for want of one.
    static let reserve = RedisScript(
        prelude + """
            local node, boot, user, id, limit = unpack(ARGV)
            local key, mine = P .. 'user:' .. user, member(boot, id, node)
            redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(ms))
            local isSettled, boots = redis.call('EXISTS', P .. 'settling') == 0, {[node] = boot}
            for _, name in ipairs(redis.call('ZRANGE', key, 0, -1)) do
                local itsBoot, itsNode = string.match(name, '^(%S+) %d+ (.*)$')
                if itsNode and not boots[itsNode] and isSettled then
                    boots[itsNode] = redis.call('HGET', P .. 'lease:' .. itsNode, 'boot') or ''
                end
                if not itsNode or (boots[itsNode] and boots[itsNode] ~= itsBoot) then redis.call('ZREM', key, name) end
            end
            local held = redis.call('ZCARD', key)
            if not redis.call('ZSCORE', key, mine) then
                if held >= tonumber(limit) then return {0, held} end
                held = held + 1
            end
            keep(user, mine)
            return {1, held}
            """)

    /// These stand. ARGV: node, boot, then user and id of each. Gives 0 where a later boot of the node lives.
    static let assert = RedisScript(
        prelude + """
            local lease = redis.call('HGET', P .. 'lease:' .. ARGV[1], 'boot')
            if lease and lease ~= ARGV[2] then return 0 end
            for i = 3, #ARGV - 1, 2 do keep(ARGV[i], member(ARGV[2], ARGV[i + 1], ARGV[1])) end
            return 1
            """)

    /// These are over. ARGV: node, boot, then user and id of each.
    static let release = RedisScript(
        prelude + """
            for i = 3, #ARGV - 1, 2 do
                redis.call('ZREM', P .. 'user:' .. ARGV[i], member(ARGV[2], ARGV[i + 1], ARGV[1]))
            end
            return 1
            """)
}
