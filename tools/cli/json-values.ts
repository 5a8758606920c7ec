export { JsonValueError, valueFromJson, valueToJson } from '../../kit/json-values.js'
