### Слова, которые есть у каждого сервиса, по-русски. Сообщения и параметры те же, что в `en.ftl`.

## Страница

language = Язык
skip-to-content = К содержанию
navigation = Разделы
path = Где вы
as-of = На момент
connection-lost = Сервер не отвечает. На странице данные последнего ответа.
back = Назад
told-failed = Не удалось выполнить
told-gone = Этого уже нет
told-other-site = Запрос пришёл не с этой страницы
told-stale-page = Страница устарела: вернитесь и повторите
page-failed = Не удалось показать страницу: { $why }

## Возраст

past-now = только что
past = { $age } назад
age-seconds = { $n } с
age-minutes = { $n } мин
age-hours = { $n } ч
age-days = { $n } дн

## Что сервис делает сам

state = Состояние
background = Что сервер делает сам
background-tasks = { $n ->
    [one] { $n } задача
    [few] { $n } задачи
   *[other] { $n } задач
 }
background-failing = из них с ошибкой: { $n }
task = Задача
last-run = Последний раз
next-run = Через
task-fine = в порядке
task-new = ещё не запускалась
task-runs = выполняется { $age }
task-failed = { $n ->
    [one] ошибка { $n } раз подряд
    [few] ошибка { $n } раза подряд
   *[other] ошибка { $n } раз подряд
 }

## Причины

# Что записано предложением на сервере прежней версии или сказано программой, брокером, системой.
why-worded = { $text }
why-task-panicked = задача оборвалась ({ $said }); это ошибка сервера
why-tls-file = { $path }: { $detail }
why-tls-authority-key = { $path } не подходит к сертификату рядом: верните нужный файл; или удалите оба, тогда появится новый удостоверяющий центр, которому пока никто не доверяет
why-tls-own-certificate = { $cert } с ключом { $key } не годятся для TLS: { $detail }
why-tls-not-made = не удалось выпустить сертификат { $path }: { $detail }
why-tls-library = не удалось подготовить TLS: { $detail }
