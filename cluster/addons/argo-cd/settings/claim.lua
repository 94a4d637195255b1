-- Health of a PersistentVolumeClaim. A claim whose StorageClass waits for the first consumer stays
-- pending until a pod uses it, a nightly backup's for one; no later wave may wait for that. A pod that
-- lacks its volume is not ready, which its own health says.
local phase = obj.status ~= nil and obj.status.phase or nil
if phase == "Lost" then
  return {status = "Degraded", message = "Its volume is lost."}
elseif phase == "Bound" then
  return {status = "Healthy", message = ""}
elseif phase == "Pending" then
  return {status = "Healthy", message = "It has no volume until a pod uses it."}
end
return {status = "Progressing", message = "The controller has not seen it yet."}
