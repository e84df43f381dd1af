-- Limits in Redis. One call names keys of one hash tag only: the ticket first, then one key for each limit.
-- A bucket is a string: the time, in microseconds, at which it is full again. Slots are a sorted set: holder by end of
-- lease. A ticket is '1' while its call runs and '0' after that. Times are whole numbers below 2^53.

local function clock()
  local time = redis.call('TIME')
  return time[1] * 1000000 + time[2]
end

local function whole(number)
  return string.format('%.0f', number)
end

local function fill(key, full, now)
  if full > now then
    redis.call('SET', key, whole(full), 'PX', whole(math.ceil((full - now) / 1000)))
  else
    redis.call('DEL', key)
  end
end

local function hold(key, id, now, lease)
  redis.call('ZADD', key, whole(now + lease), id)
  redis.call('PEXPIRE', key, whole(lease / 1000 + 1000))
end

-- The level of a limit, and how many of its leases had ended.
local function level(key, slots, now)
  if slots == '1' then
    local ended = redis.call('ZREMRANGEBYSCORE', key, '-inf', whole(now))
    return redis.call('ZCARD', key), ended
  end
  return math.max((tonumber(redis.call('GET', key)) or 0) - now, 0), 0
end

-- id, lease (us), ticket kept (ms), then for each limit: slots ('1' or '0'), need, capacity.
-- Returns: 0 refused, 1 granted, 2 granted before; now; leases ended; level of each limit before.
local function reserve(keys, args)
  local now, lease, ended, room = clock(), tonumber(args[2]), 0, 1
  local reply = {1, now, 0}
  for i = 2, #keys do
    local at = 3 * i - 2
    local here, gone = level(keys[i], args[at], now)
    reply[i + 2], ended = here, ended + gone
    if here + tonumber(args[at + 1]) > tonumber(args[at + 2]) then
      room = 0
    end
  end
  reply[3] = ended
  if redis.call('EXISTS', keys[1]) == 1 then
    reply[1] = 2
    return reply
  end
  reply[1] = room
  if room == 0 then
    return reply
  end
  for i = 2, #keys do
    local at = 3 * i - 2
    if args[at] == '1' then
      hold(keys[i], args[1], now, lease)
    else
      fill(keys[i], now + reply[i + 2] + tonumber(args[at + 1]), now)
    end
  end
  redis.call('SET', keys[1], '1', 'PX', args[3])
  return reply
end

-- id, ticket kept (ms; 0: as if it was never asked for), then for each limit: slots, change (us), end of the
-- reservation (us). Returns {}.
local function settle(keys, args)
  local now = clock()
  local ticket = redis.call('GET', keys[1])
  if args[2] == '0' then
    redis.call('DEL', keys[1])
  elseif ticket ~= '0' then
    redis.call('SET', keys[1], '0', 'PX', args[2])
  end
  for i = 2, #keys do
    local at = 3 * i - 3
    local change = tonumber(args[at + 1])
    if args[at] == '1' then
      redis.call('ZREM', keys[i], args[1])
    elseif ticket == '1' and change ~= 0 then
      local full = tonumber(redis.call('GET', keys[i])) or 0
      if change < 0 then
        full = full - math.min(-change, math.max(tonumber(args[at + 2]) - now, 0))
      else
        full = math.max(full, now) + change
      end
      fill(keys[i], full, now)
    end
  end
  return {}
end

-- id, lease (us); the keys after the ticket are slots. Returns how many had been lost.
local function renew(keys, args)
  if redis.call('GET', keys[1]) == '0' then
    return {0}
  end
  local now, lost = clock(), 0
  for i = 2, #keys do
    if not redis.call('ZSCORE', keys[i], args[1]) then
      lost = lost + 1
    end
    hold(keys[i], args[1], now, tonumber(args[2]))
  end
  return {lost}
end

-- For each key: slots. Returns: leases ended, level of each.
local function peek(keys, args)
  local now, reply = clock(), {0}
  for i = 1, #keys do
    local here, gone = level(keys[i], args[i], now)
    reply[1], reply[i + 1] = reply[1] + gone, here
  end
  return reply
end
