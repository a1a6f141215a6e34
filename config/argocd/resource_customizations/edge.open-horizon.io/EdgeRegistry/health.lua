local status = obj.status or {}
local conditions = {}
for _, condition in ipairs(status.conditions or {}) do
  conditions[condition.type] = condition
end
local ready = conditions.Ready or {}

local function health(name, message)
  return { status = name, message = message or ready.message or "" }
end

if obj.metadata.deletionTimestamp ~= nil then
  return health("Progressing")
end
-- What the conditions say of an older spec says nothing of this one.
if status.observedGeneration ~= obj.metadata.generation then
  return health("Progressing", "the operator has not looked at this spec yet")
end
if ready.reason == "Suspended" then
  return health("Suspended")
end
if conditions.Stalled ~= nil and conditions.Stalled.status == "True" then
  return health("Degraded")
end
if ready.status == "True" then
  return health("Healthy")
end
return health("Progressing")
