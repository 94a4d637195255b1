-- Health of an object that reports a condition Ready for the generation that its controller has seen:
-- Services, Brokers, Triggers and sources of Knative.
if obj.status == nil or obj.status.conditions == nil then
  return {status = "Progressing", message = "The controller has not seen it yet."}
end
if (obj.status.observedGeneration or 0) < (obj.metadata.generation or 0) then
  return {status = "Progressing", message = "The controller has not seen the last change yet."}
end
for _, condition in ipairs(obj.status.conditions) do
  if condition.type == "Ready" then
    local message = condition.message or condition.reason or ""
    if condition.status == "True" then
      return {status = "Healthy", message = message}
    elseif condition.status == "False" then
      return {status = "Degraded", message = message}
    end
    return {status = "Progressing", message = message}
  end
end
return {status = "Progressing", message = "It reports no condition Ready yet."}
