-- Health of a Workflow of Argo: its phase. A workflow is never changed after its start, so that it has
-- no observed generation.
local health = {
  Succeeded = "Healthy",
  Failed = "Degraded",
  Error = "Degraded",
}
local status = obj.status or {}
return {status = health[status.phase] or "Progressing", message = status.message or status.phase or "It has not started yet."}
