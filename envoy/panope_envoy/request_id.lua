-- Every request has an id that cannot forge a log line: the caller's when it is sane, a new one otherwise.
-- The server applies the same rule (panope_server.observability.request_id).

function envoy_on_request(handle)
  local headers = handle:headers()
  local id = headers:get("x-request-id")
  if not id or #id == 0 or #id > 128 or id:find("[^%w._:/+=@-]") then
    headers:replace("x-request-id", headers:get("x-edge-fresh-id"))
  end
  headers:remove("x-edge-fresh-id")
end
