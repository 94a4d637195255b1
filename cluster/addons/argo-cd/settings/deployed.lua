-- Health of an EventSource or a Sensor of Argo Events: every condition must be true.
if obj.status == nil or obj.status.conditions == nil then
  return {status = "Progressing", message = "The controller has not seen it yet."}
end
local observed = obj.status.observedGeneration
if observed ~= nil and observed < (obj.metadata.generation or 0) then
  return {status = "Progressing", message = "The controller has not seen the last change yet."}
end
local deployed = false
for _, condition in ipairs(obj.status.conditions) do
  local message = condition.message or condition.reason or condition.type
  if condition.status == "False" then
    return {status = "Degraded", message = message}
  elseif condition.status ~= "True" then
    return {status = "Progressing", message = message}
  end
  deployed = deployed or condition.type == "Deployed"
end
if deployed then
  return {status = "Healthy", message = ""}
end
return {status = "Progressing", message = "It is not deployed yet."}
