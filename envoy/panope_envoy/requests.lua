-- Every request has an id that cannot forge a log line: the caller's when it is sane, a new one otherwise.
-- The server applies the same rule (panope_server.observability.request_id).
--
-- The transcoder knows no HEAD. Where a route says so, a HEAD goes on as the GET that it stands for, and the hook for
-- answers drops the body; `x-edge-head` tells the server to end an answer that would go on for long.
--
-- The transcoder holds a body as a whole before it passes it on. Those that are large, or may be, are marked, and only so
-- many of them are taken at a time.

local LARGE_BYTES = 1048576

local CLIENT_CERTIFICATES = @CLIENT_CERTIFICATES@
-- As panope_server.access.caller has them.
local MAX_NAMES = 32
local MAX_NAME_LENGTH = 256
local OF_NO_NAME = "[^%w._:/@+*-]"

-- Whether a request has a body that Envoy may have to hold for long.
local function is_large(headers, method)
  if method == "GET" or method == "HEAD" or method == "OPTIONS" then return false end
  local length = headers:get("content-length")
  return not length or tonumber(length) > LARGE_BYTES
end

-- Adds the names of a kind, but none that would be read as two.
local function add_names(names, kind, found)
  for _, name in ipairs(found or {}) do
    local is_name = #name > 0 and #name <= MAX_NAME_LENGTH and not name:find(OF_NO_NAME)
    if is_name and #names < MAX_NAMES then names[#names + 1] = kind .. name end
  end
end

-- Tells the server whose certificate the caller has shown, which the connection has verified: its names, a space between
-- two. The header itself was taken from what the caller sent.
local function tell_names(handle, headers)
  local shown = handle:streamInfo():downstreamSslConnection()
  if not shown or not shown:peerCertificateValidated() then return end
  local names = {}
  add_names(names, "uri:", shown:uriSanPeerCertificate())
  add_names(names, "dns:", shown:dnsSansPeerCertificate())
  local subject = shown:parsedSubjectPeerCertificate()
  if subject then add_names(names, "cn:", { subject:commonName() }) end
  if #names > 0 then headers:replace("x-edge-client-names", table.concat(names, " ")) end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  if CLIENT_CERTIFICATES then tell_names(handle, headers) end
  local id = headers:get("x-request-id")
  if not id or #id == 0 or #id > 128 or id:find("[^%w._:/+=@-]") then
    headers:replace("x-request-id", headers:get("x-edge-fresh-id"))
  end
  headers:remove("x-edge-fresh-id")

  local method = headers:get(":method")
  handle:streamInfo():dynamicMetadata():set("panope.edge", "method", method)
  if is_large(headers, method) then headers:add("x-edge-large", "true") end
  if method == "HEAD" and handle:metadata():get("head_as_get") then
    headers:replace(":method", "GET")
    headers:add("x-edge-head", "true")
  end
  if method == "HEAD" then headers:remove("accept-encoding") end -- nothing, compressed, is a few bytes
end
