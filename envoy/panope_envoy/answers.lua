-- Gives every HTTP error one body: {"error": {"message", "type", "param", "code"}}; where the server's error names an
-- "error_type", and on routes of Text Embeddings Inference, it is {"error", "error_type"}. An error that names an
-- "http_status" has that one.
--
-- The server's errors arrive as JSON from the transcoder: {"code": 3, "message": "…", "details": [{"@type":
-- "…ErrorInfo", "metadata": {"type": "…", "param": "…", "code": "…"}}, …]}. Their string literals are taken over as they
-- stand; quotes inside a message are escaped, so a message cannot pose as a field. All other errors are Envoy's own and
-- get fixed words, for Envoy's texts echo the request or tell of sockets.
--
-- Native gRPC and gRPC-Web answer errors with status 200 and pass untouched, as does every success: streams are never
-- buffered. A body that starts with {"error" already has the shape.
--
-- An answer to HEAD has the headers of the answer to GET and never a body: on a kept connection a body would be read as
-- the beginning of the next answer.
--
-- What gRPC says in headers is for gRPC's callers alone, and pages of some origins alone may read answers.
--
-- A success for which more is to come is 202: gRPC has one code for every success, so the server says it in a header.

local BY_STATUS = {
  [400] = {"invalid_request_error", "malformed_request", "the request is not valid HTTP, or its path cannot be read"},
  [403] = {"permission_error", "host_not_allowed", "the Host header does not name this server"},
  [404] = {"invalid_request_error", "unknown_path", "there is nothing at this path"},
  [405] = {"invalid_request_error", "method_not_allowed", "this path does not take this HTTP method; see the Allow header"},
  [408] = {"timeout_error", "request_timeout", "the request was not sent in time"},
  [415] = {"invalid_request_error", "unsupported_content_encoding", "send the body as it is, without a content-encoding"},
  [413] = {"invalid_request_error", "request_too_large", "the request body is larger than @MAX_BODY_BYTES@ bytes"},
  [431] = {"invalid_request_error", "headers_too_large", "the request has too many or too large headers"},
  [429] = {"rate_limit_error", "overloaded", "there is no room for this request now; try again later"},
  [499] = {"invalid_request_error", "cancelled", "the call was cancelled"},
  [501] = {"server_error", "not_implemented", "the server does not know this method"},
  [503] = {"server_error", "unavailable", "the server cannot be reached, or takes no large body now; try again later"},
  [504] = {"timeout_error", "deadline_exceeded", "the time for this request was up"},
}
-- What Text Embeddings Inference calls the errors that are no fault of the request.
local TEXT_EMBEDDINGS = {[429] = "Overloaded", [500] = "Backend", [503] = "Unhealthy", [504] = "Backend"}
local OTHER_CLIENT = {"invalid_request_error", "invalid_request", "the request cannot be served"}
local OTHER_SERVER = {"server_error", "internal_error", "internal error"}

-- The JSON string literal that follows "key":, quotes included.
local function literal_after(json, key)
  local _, opening = json:find('"' .. key .. '"%s*:%s*"')
  if not opening then return nil end
  local from = opening + 1
  while true do
    local at = json:find('["\\]', from)
    if not at then return nil end
    if json:sub(at, at) == '"' then return json:sub(opening, at) end
    from = at + 2 -- past the escaped character
  end
end

-- The transcoder writes these four as escapes, for pages that put JSON into HTML; people read them as they are.
local PLAIN = {["003c"] = "<", ["003e"] = ">", ["0026"] = "&", ["0027"] = "'"}

local function readable(literal)
  return (literal:gsub("(\\+)u(00[23][67ce])", function(slashes, code)
    if #slashes % 2 == 0 or not PLAIN[code] then return nil end -- a backslash of the text itself
    return slashes:sub(1, -2) .. PLAIN[code]
  end))
end

local function quoted(text)
  return '"' .. text .. '"'
end

-- Whether the request was a HEAD, told by the hook for requests, or by a header when Envoy answers before that.
local function is_head(handle)
  local told = handle:streamInfo():dynamicMetadata():get("panope.edge")
  local early = handle:headers():get("x-edge-head") ~= nil
  handle:headers():remove("x-edge-head")
  return early or (told ~= nil and told["method"] == "HEAD")
end

local function drop_body(handle)
  for chunk in handle:bodyChunks() do chunk:setBytes("") end
end

local GRPC_HEADERS = {"grpc-status", "grpc-message", "grpc-encoding", "grpc-accept-encoding", "grpc-status-details-bin",
  "grpc-retry-pushback-ms"}

-- How Envoy ends a call at its deadline: as UNAVAILABLE, which callers would try again.
local DURATION_TIMEOUT = "downstream duration timeout"

local function tell_deadline(headers)
  if headers:get("grpc-message") ~= DURATION_TIMEOUT then return end
  headers:replace("grpc-status", "4")
  headers:replace("grpc-message", "the call's deadline passed before there was an answer")
end

-- How Envoy refuses a body of gRPC-Web's text form: as INTERNAL, and without a content-type.
local NO_BASE64 = "Bad gRPC-web request, invalid base64 data."
local BASE64_WORDS = {"invalid_request_error", "malformed_request", "the body is not base64, as application/grpc-web-text is"}

local function is_grpc(headers)
  local content_type = headers:get("content-type")
  return content_type and content_type:find("application/grpc", 1, true) == 1
end

function envoy_on_response(handle)
  local status = tonumber(handle:headers():get(":status"))
  local head = is_head(handle)
  local no_base64 = handle:headers():get("grpc-message") == NO_BASE64
  if @ORIGIN_MATTERS@ then handle:headers():add("vary", "Origin") end
  if is_grpc(handle:headers()) then
    tell_deadline(handle:headers())
  else
    for _, name in ipairs(GRPC_HEADERS) do handle:headers():remove(name) end
  end
  if status == 200 and handle:headers():get("x-panope-accepted") then
    handle:headers():replace(":status", "202")
    handle:headers():remove("x-panope-accepted")
  end
  if not status or status < 400 then
    if head then drop_body(handle) end
    return
  end

  -- body() may suspend the script; headers fetched before it must not be used after.
  local buffer = handle:body(true)
  local headers = handle:headers()
  local body = buffer:length() > 0 and buffer:getBytes(0, buffer:length()) or ""
  -- The admin app has answered a HEAD by itself, with the headers of its own error.
  if head and body == "" and headers:get("content-type") == "application/json" then return end
  if body:sub(1, 8) == '{"error"' then
    if head then buffer:setBytes("") end
    return
  end

  local words = no_base64 and BASE64_WORDS or BY_STATUS[status] or (status < 500 and OTHER_CLIENT or OTHER_SERVER)
  local message, kind, param, code, error_type
  if body:sub(1, 8) == '{"code":' then
    message, kind = literal_after(body, "message"), literal_after(body, "type")
    message = message and readable(message)
    param, code = literal_after(body, "param"), literal_after(body, "code")
    error_type = literal_after(body, "error_type")
    -- A status that no gRPC code has.
    local exact = literal_after(body, "http_status")
    if exact then headers:replace(":status", exact:sub(2, -2)) end
  else
    if status == 503 and not headers:get("retry-after") then headers:replace("retry-after", "1") end
    if handle:metadata():get("text_embeddings") then error_type = quoted(TEXT_EMBEDDINGS[status] or "Validation") end
  end
  if (status == 501 or status == 504) and not headers:get("x-should-retry") then
    headers:replace("x-should-retry", "false") -- SDKs retry these by default and only repeat the cost
  end

  local text = '{"error":{"message":' .. (message or quoted(words[3])) .. ',"type":' .. (kind or quoted(words[1]))
    .. ',"param":' .. (param or "null") .. ',"code":' .. (code or quoted(words[2])) .. "}}"
  if error_type then -- a route of Text Embeddings Inference, whose clients read another shape
    text = '{"error":' .. (message or quoted(words[3])) .. ',"error_type":' .. error_type .. "}"
  end
  if no_base64 then
    headers:replace("grpc-status", "3")
    headers:replace("grpc-message", words[3])
  end
  headers:replace("content-type", "application/json")
  buffer:setBytes(head and "" or text)
  headers:replace("content-length", tostring(#text))
end
