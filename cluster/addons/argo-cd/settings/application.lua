-- Health of an Application within an application of applications. The next wave starts once this one
-- is healthy in the revision that git has now.
local status = obj.status or {}
local operation = status.operationState or {}
local health = status.health or {}
local sync = status.sync or {}
if operation.phase == "Running" then
  return {status = "Progressing", message = operation.message or "It is being synced."}
end
if sync.status ~= "Synced" then
  if operation.phase == "Failed" or operation.phase == "Error" then
    return {status = "Degraded", message = operation.message or "Its sync failed."}
  end
  return {status = "Progressing", message = "It is not synced yet."}
end
if health.status == nil or health.status == "Missing" or health.status == "Unknown" then
  return {status = "Progressing", message = health.message or "Its health is not known yet."}
end
return {status = health.status, message = health.message or ""}
